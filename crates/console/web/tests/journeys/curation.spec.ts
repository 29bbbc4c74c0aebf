// What owners do with documents: edit chunks, take them out of searches, rename.

import { expect, test, type Page } from "@playwright/test";
import { ingest, server, type Running } from "./server";

const TEA = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";

let running: Running;
let document = "";
test.beforeAll(async () => {
  running = await server();
  document = await ingest(running.url, "tea.md", TEA);
});
test.afterAll(() => running.stop());

/** The texts that a search finds, best first. */
async function found(query: string): Promise<string[]> {
  const response = await fetch(`${running.url}/api/v2/search`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, threshold: 0 }),
  });
  const { passages } = (await response.json()) as { passages: { chunk: { text: string } }[] };
  return passages.map(({ chunk }) => chunk.text);
}

async function openChunks(page: Page): Promise<void> {
  await page.goto(`${running.url}/#/documents/${document}`);
  await page.getByRole("button", { name: "Chunks", exact: true }).click();
}

test("chunks are edited, disabled, added and deleted", async ({ page }) => {
  page.on("dialog", (dialog) => void dialog.accept());
  await openChunks(page);
  const first = page.getByRole("group", { name: "Chunk 1", exact: true });
  await first.getByRole("button", { name: "Edit" }).click();
  const form = page.getByRole("form", { name: "Chunk 1" });
  await expect(form.getByLabel("Text")).toBeFocused();
  await form.getByLabel("Text").fill("White tea wants water of 70 degrees.");
  await form.getByLabel("Keywords, one a line").fill("camellia\nwhite tea");
  await form.getByRole("button", { name: "Save the chunk" }).click();
  await expect(page.getByText("Chunk 1 is saved.")).toBeVisible();
  await expect(page.locator(".chunks")).toContainText("written");
  await expect(page.locator(".chunks")).toContainText("Keywords: camellia, white tea");
  expect(await found("camellia")).toEqual(["White tea wants water of 70 degrees."]);

  await first.getByRole("button", { name: "Disable" }).click();
  await expect(page.getByText("Chunk 1 is not searched any more.")).toBeVisible();
  expect(await found("camellia")).toEqual([]);
  await first.getByRole("button", { name: "Enable" }).click();
  await expect(page.getByText("Chunk 1 is searched again.")).toBeVisible();
  expect(await found("camellia")).toHaveLength(1);

  await page.getByRole("button", { name: "Add a chunk" }).click();
  const added = page.getByRole("form", { name: "New chunk" });
  await added.getByLabel("Text").fill("Rooibos is no tea.");
  await added.getByLabel("Questions that it answers, one a line").fill("What is rooibos?");
  await added.getByRole("button", { name: "Save the chunk" }).click();
  await expect(page.locator(".chunks > li")).toHaveCount(2);
  expect((await found("What is rooibos?"))[0]).toBe("Rooibos is no tea.");

  await page.getByRole("group", { name: "Chunk 2", exact: true }).getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("Chunk 2 is deleted.")).toBeVisible();
  await expect(page.locator(".chunks > li")).toHaveCount(1);
  expect(await found("What is rooibos?")).not.toContain("Rooibos is no tea.");
});

test("a citation of what was written by hand shows it", async ({ page }) => {
  await page.goto(running.url);
  await page.getByLabel("Question", { exact: true }).fill("How many degrees does white tea want?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("70 degrees");
  await page.getByRole("article").getByRole("button", { name: /^Source/ }).first().click();
  await expect(page.getByRole("complementary", { name: "Sources" })).toContainText("This was written by hand");
});

test("a document is renamed, described and left out of searches", async ({ page }) => {
  await page.goto(`${running.url}/#/documents/${document}`);
  await page.getByRole("button", { name: "Metadata", exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill("white.md");
  await page.getByLabel("Searches find it").uncheck();
  await page.getByLabel(/^Metadata as JSON/).fill('{ "year": 2024 }');
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "white.md" })).toBeVisible();
  await expect(page.getByText("not searched")).toBeVisible();
  expect(await found("white tea degrees")).toEqual([]);
  const kept = (await (await fetch(`${running.url}/api/v2/documents/${document}`)).json()) as { metadata: object };
  expect(kept.metadata).toEqual({ year: 2024 });
  await page.getByLabel("Name", { exact: true }).fill("white.pdf");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("behind the last dot");
});

test("saving settings leaves alone what the page does not know", async ({ page }) => {
  const address = `${running.url}/api/v2/datasets/default`;
  const json = { "content-type": "application/json" };
  const settings = { labels: { team: "kitchen" }, description: "Teas", chunking: { overlap_tokens: 8 } };
  await fetch(address, { method: "PATCH", headers: json, body: JSON.stringify({ settings }) });
  await page.goto(`${running.url}/#/datasets/default`);
  await page.getByText("Settings", { exact: true }).click();
  await page.getByLabel("Most tokens of a chunk").fill("99");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved: documents ingested from now on")).toBeVisible();
  const kept = (await (await fetch(address)).json()) as { settings: Record<string, unknown> };
  expect(kept.settings).toMatchObject({ ...settings, chunking: { max_tokens: 99, overlap_tokens: 8 } });
});
