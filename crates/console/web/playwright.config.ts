import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// Debian's; nothing is downloaded.
const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

export default defineConfig({
  testDir: "tests/journeys",
  outputDir: "test-results",
  timeout: 60_000,
  // One server and one processor-heavy browser at a time: the figures of long tasks are the page's own.
  workers: 1,
  reporter: "list",
  use: {
    headless: true,
    viewport: { width: 1280, height: 800 },
    launchOptions: { ...(chromium ? { executablePath: chromium } : {}), args: ["--no-sandbox"] },
    screenshot: "only-on-failure",
  },
});
