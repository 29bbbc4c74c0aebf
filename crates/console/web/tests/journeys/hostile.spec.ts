// Nothing that others wrote runs: in a document, in names, in metadata, in what a model says.

import { expect, test, type Page } from "@playwright/test";
import { XSS } from "../xss";
import { ingest, provider, server, type Running } from "./server";
import { upstream, type Upstream } from "./upstream";

let model: Upstream;
let running: Running;
let document = "";
const NAME = `<img src=x onerror=window.xss=1>.md`;

test.beforeAll(async () => {
  model = await upstream(async (_, say) => {
    for (const line of XSS) await say(`${line}\n\n`);
    await say("The end. [ID:0]");
  });
  running = await server(provider(model.url));
  document = await ingest(running.url, NAME, `# <script>window.xss=1</script>\n\nhostile words\n\n${XSS.join("\n\n")}`);
  const metadata = JSON.stringify({ metadata: { "<img src=x onerror=window.xss=1>": XSS[1] } });
  const json = { "content-type": "application/json" };
  await fetch(`${running.url}/api/v2/documents/${document}`, { method: "PATCH", headers: json, body: metadata });
  const name = encodeURIComponent("<svg onload=window.xss=1>");
  const settings = JSON.stringify({ datasets: ["default"], description: XSS[0], prologue: XSS[1] });
  await fetch(`${running.url}/api/v2/dialogs/${name}`, { method: "PUT", headers: json, body: settings });
});
test.afterAll(async () => {
  await running.stop();
  await model.stop();
});

/** Requests that leave, and words of the policy against something that was refused, are told, too. */
function watched(page: Page): { left: string[] } {
  const left: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(running.url) && !request.url().startsWith("data:")) left.push(request.url());
  });
  page.on("dialog", (dialog) => void dialog.dismiss());
  return { left };
}

test("an answer with every trick does nothing", async ({ page }) => {
  const { left } = watched(page);
  await page.goto(running.url);
  await page.getByLabel("Question", { exact: true }).fill(`hostile words ${XSS[0]}`);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("The end.");
  const links = page.locator(".markdown a");
  for (const href of await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")))) {
    expect(href ?? "https://none").toMatch(/^(https?|mailto):/i);
  }
  await page.getByRole("button", { name: /^Sources \(/ }).click();
  await page.getByRole("complementary", { name: "Sources" }).getByRole("button", { name: /1\./ }).first().click();
  await expect(page.locator(".document-text mark").first()).toBeVisible();
  expect(await page.evaluate(() => (window as { xss?: number }).xss)).toBeUndefined();
  expect(left).toEqual([]);
});

for (const address of ["datasets", "datasets/default", "documents/ID", "dialogs", "search", "models", "usage"]) {
  test(`names, texts and metadata do nothing: ${address}`, async ({ page }) => {
    const { left } = watched(page);
    await page.goto(`${running.url}/#/${address.replace("ID", document)}`);
    await expect(page.getByRole("heading").first()).toBeVisible();
    if (address === "documents/ID") {
      for (const view of ["Chunks", "Metadata", "Document"]) await page.getByRole("button", { name: view, exact: true }).click();
      await expect(page.locator(".document-text")).toContainText("hostile words");
    }
    if (address === "search") {
      await page.getByLabel("Question").fill("hostile words script");
      await page.keyboard.press("Enter");
      await expect(page.getByRole("listitem").first()).toContainText("onerror");
    }
    expect(await page.evaluate(() => (window as { xss?: number }).xss)).toBeUndefined();
    expect(left).toEqual([]);
  });
}
