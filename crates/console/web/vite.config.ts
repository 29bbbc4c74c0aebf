import { defineConfig } from "vitest/config";
import { pdfFiles } from "./pdf-files";

// Where `npm run dev` finds the server whose API it uses.
const server = process.env["COLLOQUY_URL"] ?? "http://127.0.0.1:9380";
const proxy = Object.fromEntries(
  ["/api", "/v1", "/readyz", "/healthz"].map((path) => [path, { target: server, changeOrigin: true }]),
);

export default defineConfig({
  plugins: [pdfFiles()],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    // Nothing is written into the page or into style sheets as `data:`; the policy allows files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy },
  preview: { proxy },
  test: { include: ["tests/unit/**/*.test.ts"], environment: "jsdom" },
});
