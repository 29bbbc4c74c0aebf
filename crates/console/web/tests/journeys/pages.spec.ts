// Citations of a PDF: a card beside the number, the page as it looks with boxes around what was cited, files kept.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test, type Page } from "@playwright/test";
import { pdf } from "./pdf";
import { ingest, server, type Running } from "./server";

const CITED = { x: 72, y: 400, text: "The kettle of the blue house boils water at 97 degrees because it stands on a hill." };
const FILE = pdf([
  { lines: [{ x: 72, y: 700, text: "The first page is about the garden and about nothing else at all." }] },
  {
    lines: [
      { x: 72, y: 720, text: "On the second page there is more to be read about houses and about their doors." },
      CITED,
    ],
    square: { x: 400, y: 60 },
  },
]);

let running: Running;
test.beforeAll(async () => {
  running = await server();
});
test.afterAll(() => running.stop());

/** What the page's policy refused, what left for elsewhere, and what a script opened. */
function watched(page: Page): string[] {
  const found: string[] = [];
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) found.push(message.text());
  });
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(running.url)) found.push(request.url());
  });
  page.on("dialog", (dialog) => {
    found.push(dialog.message());
    void dialog.dismiss();
  });
  return found;
}

async function ask(page: Page): Promise<void> {
  await page.goto(running.url);
  await page.getByLabel("Question", { exact: true }).fill("At how many degrees does the kettle of the blue house boil water?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("97 degrees");
}

const number = (page: Page) => page.getByRole("article").getByRole("button", { name: /^Source \d/ }).first();

/** The share of dark pixels in a part of the drawn page, in points from its upper left corner. */
function darkness(page: Page, left: number, top: number, right: number, bottom: number): Promise<number> {
  return page.locator(".drawn canvas").evaluate(
    (element, [left, top, right, bottom]) => {
      const canvas = element as HTMLCanvasElement;
      const scale = canvas.width / 612;
      const part = canvas.getContext("2d")?.getImageData(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
      const dots = part?.data ?? new Uint8ClampedArray();
      let dark = 0;
      for (let at = 0; at < dots.length; at += 4) if ((dots[at] ?? 255) < 128) dark += 1;
      return (4 * dark) / dots.length;
    },
    [left, top, right, bottom] as const,
  );
}

test("a card tells what a citation rests on, by pointer and by keyboard", async ({ page }) => {
  await ingest(running.url, "houses.pdf", FILE);
  await ask(page);
  const card = page.getByRole("tooltip");
  await number(page).hover();
  await expect(card).toContainText("boils water at 97 degrees");
  await expect(card).toContainText("houses.pdf, page 2");
  await expect(number(page)).toHaveAttribute("aria-describedby", "citation-card");
  // The pointer may come over to the card, which stays.
  await card.hover();
  await expect(card).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(card).toHaveCount(0);

  await page.getByRole("button", { name: "Regenerate" }).focus();
  await number(page).focus();
  await expect(card).toContainText("houses.pdf, page 2");
  await page.getByRole("button", { name: "Regenerate" }).focus();
  await expect(card).toHaveCount(0);
});

test("the cited page is drawn with a box around the words", async ({ page }) => {
  const refused = watched(page);
  await ask(page);
  await number(page).click();
  const sources = page.getByRole("complementary", { name: "Sources" });
  await expect(sources.getByRole("img", { name: /^Page 2 of houses\.pdf with the cited passage/ })).toBeVisible();
  await expect(sources.getByRole("status").filter({ hasText: "Page 2 of 2" })).toBeVisible();
  const box = sources.locator(".cited-box").first();
  await expect(box).toBeVisible();
  const [x, y, width, height] = await box.evaluate((rect) =>
    ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))),
  ) as [number, number, number, number];
  // The words stand 400 points from below: their box is around there, and no higher than a few lines.
  expect(y).toBeGreaterThan(792 - 400 - 40);
  expect(y + height).toBeLessThan(792 - 400 + 30);
  expect(x).toBeLessThan(CITED.x);
  expect(await darkness(page, x, y, x + width, y + height)).toBeGreaterThan(0.01);
  expect(await darkness(page, 72, 200, 500, 300)).toBe(0);
  // A picture that only a decoder without WebAssembly can read here.
  expect(await darkness(page, 410, 792 - 150, 490, 792 - 70)).toBe(1);

  await sources.getByRole("button", { name: "Page before" }).click();
  await expect(sources.getByRole("status").filter({ hasText: "Page 1 of 2" })).toBeVisible();
  await expect(box).toHaveCount(0);
  await sources.getByRole("button", { name: "Cited on page 2" }).click();
  await expect(box).toBeVisible();
  await sources.getByRole("button", { name: "Text", exact: true }).click();
  await expect(sources.locator("mark").first()).toContainText("97 degrees");

  await sources.getByRole("link", { name: "Open the document" }).click();
  await expect(page.locator(".cited-box").first()).toBeVisible();
  expect(refused).toEqual([]);
});

test("a file is kept under its name, and is never a page", async ({ page }) => {
  const refused = watched(page);
  const html = "<h1>Doors</h1><p>The doors are green.</p><script>alert(1)</script>";
  const id = await ingest(running.url, "doors.html", html);
  await page.goto(`${running.url}/#/documents/${id}`);
  await expect(page.locator(".document-text")).toContainText("The doors are green.");
  await expect(page.getByRole("button", { name: "Page", exact: true })).toHaveCount(0);
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the file" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("doors.html");
  expect(readFileSync(await download.path(), "utf8")).toBe(html);
  // Not even when somebody opens its address.
  const opened = page.waitForEvent("download");
  await page.evaluate((address) => window.open(address, "_self"), `/api/v2/documents/${id}/file`);
  await (await opened).cancel();
  expect(refused).toEqual([]);
});

test("without the file there is its text", async ({ page }) => {
  for (const dataset of readdirSync(join(running.data, "uploads"))) {
    rmSync(join(running.data, "uploads", dataset, "houses.pdf"), { force: true });
  }
  await ask(page);
  await number(page).click();
  const sources = page.getByRole("complementary", { name: "Sources" });
  await expect(sources.getByText("The page cannot be drawn")).toContainText("not there any more");
  await expect(sources.locator("mark").first()).toContainText("97 degrees");
});

test("a file that is no PDF after all is shown as text", async ({ page }) => {
  const id = await ingest(running.url, "broken.pdf", "%PDF-1.7 and nothing else");
  await page.goto(`${running.url}/#/documents/${id}`);
  await expect(page.getByText("The page cannot be drawn")).toBeVisible();
});
