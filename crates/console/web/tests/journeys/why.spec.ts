// How an answer came about, and what calls took.

import { expect, test } from "@playwright/test";
import { ingest, provider, server, type Running } from "./server";
import { upstream, type Upstream } from "./upstream";

let model: Upstream;
let running: Running;
test.beforeAll(async () => {
  model = await upstream(async (_, say) => {
    for (const word of "Green tea is made with water at 80 degrees. [ID:0]".split(/(?<= )/)) await say(word);
  });
  running = await server(provider(model.url));
  await ingest(running.url, "tea.md", "# Tea\n\nGreen tea is made with water at 80 degrees.\n");
});
test.afterAll(async () => {
  await running.stop();
  await model.stop();
});

/** Waits until as many calls are recorded: a batch may be on its way. */
async function recorded(query: string, calls: number): Promise<void> {
  await expect
    .poll(async () => {
      const answer = (await (await fetch(`${running.url}/api/v2/usage?${query}`)).json()) as { total: { calls: number } };
      return answer.total.calls;
    })
    .toBeGreaterThanOrEqual(calls);
}

test("an answer leads to what was done for it", async ({ page }) => {
  await page.goto(running.url);
  await page.getByLabel("Question", { exact: true }).fill("How hot is water for green tea?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("80 degrees");
  await page.getByRole("article").getByRole("link", { name: "Why this answer" }).click();
  await expect(page.getByRole("heading", { name: "Why this answer" })).toBeVisible();

  const steps = page.locator(".waterfall button");
  await expect(steps).toHaveText([/^search/, /^answer/, /^write/]);
  const bars = await page.locator(".waterfall rect").evaluateAll((all) =>
    all.map((bar) => ({ from: Number(bar.getAttribute("x")), width: Number(bar.getAttribute("width")) })),
  );
  expect(bars.map(({ from }) => from)).toEqual([...bars.map(({ from }) => from)].sort((one, other) => one - other));
  for (const { from, width } of bars) expect(from + width).toBeLessThanOrEqual(1005);

  await steps.filter({ hasText: "search" }).click();
  await expect(page.getByRole("region", { name: "Step search" })).toContainText("How hot is water for green tea?");
  await steps.filter({ hasText: "answer" }).press("Enter");
  const answer = page.getByRole("region", { name: "Step answer" });
  await expect(answer).toContainText("Green tea is made with water at 80 degrees.");
  await steps.filter({ hasText: "write" }).click();
  await expect(page.getByRole("region", { name: "Step write" })).toContainText("80 degrees");

  const passages = page.getByRole("region", { name: "Passages" });
  await expect(passages.getByRole("row").nth(1)).toContainText("tea.md");
  await expect(passages.getByRole("row").nth(1)).toContainText("yes");
  await expect(page.getByRole("region", { name: "Models" })).toContainText("fake/model");
});

test("usage tells percentiles, failures and the latest answers", async ({ page }) => {
  await recorded("operation=chat", 1);
  // A provider that does not answer so: it fails.
  const asked = { model: "fake/model", input: "x" };
  await fetch(`${running.url}/v1/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(asked),
  });
  await recorded("outcome=failed", 1);
  await page.goto(`${running.url}/#/usage`);
  const timed = page.getByRole("region", { name: "How long calls take" });
  await expect(timed.locator("canvas")).toHaveCount(2);
  const row = timed.getByRole("row").filter({ hasText: "fake/model" });
  await expect(row.getByRole("cell").nth(2)).toHaveText(/^[\d.]+ m?s$/);
  await expect(row.getByRole("cell").nth(5)).toHaveText(/^[\d.]+ m?s$/);
  const ended = page.getByRole("region", { name: "How calls ended" });
  await expect(ended.getByRole("row").filter({ hasText: "failed" })).toContainText("fake");
  await expect(ended.locator("canvas")).toBeVisible();

  await page.getByLabel("By", { exact: true }).selectOption("hour");
  await page.getByLabel("Model", { exact: true }).selectOption("local/static");
  await expect(timed).toContainText("No such call was answered");
  await page.getByLabel("Calls that are timed").selectOption("embed");
  await expect(timed.getByRole("row").filter({ hasText: "local/static" })).toBeVisible();

  await page.getByRole("region", { name: "Latest answers" }).getByRole("link", { name: /How hot is water/ }).click();
  await expect(page.getByRole("heading", { name: "Why this answer" })).toBeVisible();
  await page.getByRole("link", { name: "Back to the conversation" }).click();
  await expect(page.getByRole("article")).toContainText("80 degrees");
});
