// Every page in light, in dark and on a phone: no violation that axe finds, and a picture of each.

import { mkdirSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { pdf } from "./pdf";
import { ingest, server, type Running } from "./server";

const PICTURES = "test-results/pictures";
const GUIDE = `# Setting up

A secret is written as \`env:NAME\` or \`file:PATH\`, never itself. It is held in a type that prints as redacted.

# Limits

| limit | value |
|---|---|
| requests | 100 |

A request beyond the limits is refused with status 429, and the answer says when to come back.
`;

let running: Running;
let document = "";
test.beforeAll(async () => {
  running = await server();
  document = await ingest(running.url, "guide.md", GUIDE);
  await ingest(running.url, "kettle.pdf", pdf([{ lines: [
    { x: 72, y: 700, text: "About the kitchen of the blue house, and what is done in it on most days of a year." },
    { x: 72, y: 640, text: "The kettle of the blue house boils water at 97 degrees because it stands on a hill." },
  ] }]));
  await ingest(running.url, "broken.pdf", "%PDF-1.7 and nothing else");
  mkdirSync(PICTURES, { recursive: true });
});
test.afterAll(() => running.stop());

const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;

const PAGES: [string, string, (page: Page) => Promise<void>][] = [
  ["welcome", "chat", async (page) => expect(page.getByRole("heading", { name: "Ask your documents" })).toBeVisible()],
  ["chat", "chat", async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("How is a secret written?");
    await page.keyboard.press("Enter");
    await page.getByRole("article").getByRole("button", { name: /^Source \d/ }).first().click();
    await expect(page.locator(".sources mark").first()).toBeVisible();
  }],
  ["card", "chat", async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("How is a secret written?");
    await page.keyboard.press("Enter");
    await page.getByRole("article").getByRole("button", { name: /^Source \d/ }).first().focus();
    await expect(page.getByRole("tooltip")).toContainText("env:NAME");
  }],
  ["page", "chat", async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("At how many degrees does the kettle boil water?");
    await page.keyboard.press("Enter");
    await page.getByRole("article").getByRole("button", { name: /^Source \d/ }).first().click();
    await expect(page.locator(".cited-box").first()).toBeVisible();
  }],
  ["why", "chat", async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("How is a secret written?");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Why this answer" }).click();
    await page.locator(".waterfall button").first().click();
    await expect(page.getByRole("region", { name: "Step search" })).toBeVisible();
  }],
  ["datasets", "datasets", async (page) => expect(page.getByRole("link", { name: "default" })).toBeVisible()],
  ["dataset", "datasets/default", async (page) => {
    await expect(page.getByRole("row").filter({ hasText: "guide.md" })).toContainText("ready");
    await page.getByText("Settings", { exact: true }).click();
  }],
  ["document", "documents/ID", async (page) => expect(page.locator(".document-text")).toContainText("env:NAME")],
  ["chunks", "documents/ID", async (page) => {
    await page.getByRole("button", { name: "Chunks", exact: true }).click();
    await page.getByRole("button", { name: "Add a chunk" }).click();
    await page.getByRole("group", { name: "Chunk 1", exact: true }).getByRole("button", { name: "Disable" }).click();
    await expect(page.getByText("Chunk 1 is not searched any more.")).toBeVisible();
    await page.getByRole("group", { name: "Chunk 1", exact: true }).getByRole("button", { name: "Enable" }).click();
    await page.getByRole("group", { name: "Chunk 2", exact: true }).getByRole("button", { name: "Edit" }).click();
    await expect(page.getByRole("form", { name: "Chunk 2" })).toBeVisible();
  }],
  ["metadata", "documents/ID", async (page) => {
    await page.getByRole("button", { name: "Metadata", exact: true }).click();
    await expect(page.getByLabel("Name", { exact: true })).toHaveValue("guide.md");
  }],
  ["search", "search", async (page) => {
    await page.getByLabel("Question").fill("how secrets are written");
    await page.keyboard.press("Enter");
    await expect(page.getByLabel("final score").first()).toBeVisible();
  }],
  ["dialogs", "dialogs/default", async (page) => expect(page.getByRole("button", { name: "Save" })).toBeVisible()],
  ["models", "models", async (page) => expect(page.getByRole("cell", { name: /local\/static/ })).toBeVisible()],
  ["usage", "usage", async (page) => {
    await expect(page.locator(".plot canvas").first()).toBeVisible();
    await expect(page.getByRole("cell", { name: "local/static" })).toBeVisible();
    await page.getByLabel("Calls that are timed").selectOption("embed");
    await expect(page.getByRole("region", { name: "Percentiles by model" })).toContainText("local/static");
    await expect(page.getByRole("region", { name: "Answers" })).toContainText("How is a secret written?");
  }],
];

for (const [look, { colorScheme, viewport }] of Object.entries(LOOKS)) {
  test.describe(look, () => {
    test.use({ colorScheme, viewport });
    for (const [name, address, prepare] of PAGES) {
      test(`${name} is accessible`, async ({ page }) => {
        await page.goto(`${running.url}/#/${address.replace("ID", document)}`);
        await prepare(page);
        await page.screenshot({ path: `${PICTURES}/${name}-${look}.png` });
        const { violations } = await new AxeBuilder({ page })
          .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
          .analyze();
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
        const overflows = await page.evaluate(() => window.document.documentElement.scrollWidth > innerWidth);
        expect(overflows).toBe(false);
      });
    }
  });
}
