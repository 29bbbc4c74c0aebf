// What people do with the console, in a real browser over the release binary without any provider.

import { expect, test } from "@playwright/test";
import { ingest, server, type Running } from "./server";

const TEA = "# Tea\n\nGreen tea is made with water at 80 degrees.\n\n# Coffee\n\nCoffee beans are roasted at 220 degrees.\n";

let running: Running;
test.beforeAll(async () => {
  running = await server();
});
test.afterAll(() => running.stop());

test("from an empty server to a cited passage", async ({ page }) => {
  await page.goto(running.url);
  await page.getByRole("link", { name: "Datasets" }).click();
  await page.getByLabel("Name of a new dataset").fill("drinks");
  await page.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { name: "drinks" })).toBeVisible();

  await page.getByTestId("upload").setInputFiles([
    { name: "tea.md", mimeType: "text/markdown", buffer: Buffer.from(TEA) },
    { name: "broken.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7 and nothing else") },
    { name: "program.exe", mimeType: "application/octet-stream", buffer: Buffer.from("MZ") },
  ]);
  const row = (name: string) => page.getByRole("row").filter({ hasText: name });
  await expect(row("tea.md")).toContainText("ready");
  await expect(row("broken.pdf")).toContainText("failed: ");
  await expect(page.getByRole("alert")).toContainText("program.exe");

  await page.getByRole("link", { name: "Chat", exact: true }).click();
  await page.getByLabel("Dialog", { exact: true }).selectOption("drinks");
  await page.getByLabel("Question", { exact: true }).fill("At how many degrees is green tea made?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("80 degrees");
  await page.getByRole("article").getByRole("button", { name: /^Source/ }).first().click();
  const sources = page.getByRole("complementary", { name: "Sources" });
  await expect(sources.locator("mark").first()).toBeVisible();
  await expect(sources.locator("mark").first()).toContainText("80 degrees");
  await expect(sources).toContainText("Coffee beans");

  await page.keyboard.press("Escape");
  await expect(sources).toHaveCount(0);
  await page.reload();
  await expect(page.getByRole("article")).toContainText("80 degrees");
});

test("an answer is judged, asked for anew and edited, and its branches stay", async ({ page }) => {
  await ingest(running.url, "tea.md", TEA);
  await page.goto(running.url);
  await page.getByLabel("Question", { exact: true }).fill("How hot is coffee roasted?");
  await page.keyboard.press("Enter");
  const answer = page.getByRole("article");
  await expect(answer).toContainText("220 degrees");
  await answer.getByRole("button", { name: "Helpful", exact: true }).click();
  await expect(answer.getByRole("button", { name: "Helpful", exact: true })).toHaveAttribute("aria-pressed", "true");
  await answer.getByRole("button", { name: "Regenerate" }).click();
  await expect(answer).toContainText("2/2");
  await answer.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Question, edited").fill("How hot is green tea?");
  await page.getByRole("button", { name: "Ask anew" }).click();
  await expect(answer).toContainText("3/3");
  await expect(answer).toContainText("80 degrees");
  await answer.getByRole("button", { name: "Previous branch" }).click();
  await expect(answer).toContainText("220 degrees");
});

test("a file goes along with a question", async ({ page }) => {
  await page.goto(running.url);
  const file = { name: "plan.txt", mimeType: "text/plain", buffer: Buffer.from("The pump of the blue house is replaced in May.") };
  await page.locator(".composer input[type=file]").setInputFiles(file);
  await expect(page.getByRole("button", { name: "Remove plan.txt" })).toBeVisible();
  await page.getByLabel("Question", { exact: true }).fill("When is the pump replaced?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("With plan.txt");
  await expect(page.getByRole("button", { name: "Remove plan.txt" })).toHaveCount(0);
});

test("the search lab compares two settings", async ({ page }) => {
  await ingest(running.url, "tea.md", TEA);
  await page.goto(`${running.url}/#/search`);
  await page.getByLabel("Question").fill("degrees of green tea");
  const b = page.getByRole("region", { name: "Settings B" });
  await b.getByLabel("Rerank").selectOption("local/lexical");
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  for (const name of ["Settings A", "Settings B"]) {
    const side = page.getByRole("region", { name });
    await expect(side.getByRole("status")).toContainText("hits among");
    await expect(side.getByRole("listitem").first()).toContainText("tea.md");
    await expect(side.getByLabel("final score").first()).toBeVisible();
  }
  await b.getByLabel("Filter").fill("year >=");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await expect(b.getByRole("alert")).toContainText("filter");
  await page.getByRole("region", { name: "Settings A" }).getByRole("link").first().click();
  await expect(page.locator("mark").first()).toBeVisible();
});

test("a dialog is set up and tried out", async ({ page }) => {
  await page.goto(`${running.url}/#/dialogs`);
  await page.getByLabel("Name of a new dialog").fill("helper");
  await page.getByRole("button", { name: "Set up" }).click();
  await page.getByLabel("default").check();
  await page.getByLabel("Greeting").fill("What would you like to know?");
  await page.getByLabel("Passages").fill("3");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Saved." })).toBeVisible();
  await page.getByRole("button", { name: "Try it out" }).click();
  await expect(page.getByLabel("Dialog", { exact: true })).toHaveValue("helper");
  await expect(page.getByText("What would you like to know?")).toBeVisible();
});

test("all of it is reached by keyboard", async ({ page }) => {
  await ingest(running.url, "tea.md", TEA);
  await page.goto(running.url);
  await expect(page.getByRole("heading", { name: "Ask your documents" })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the page" })).toBeFocused();
  await page.keyboard.press("/");
  await expect(page.getByLabel("Question", { exact: true })).toBeFocused();
  await page.keyboard.type("How hot is green tea?");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article")).toContainText("degrees");
});

test("a key is asked for when the server wants one", async ({ page }) => {
  await page.route("**/api/v2/datasets", (route) =>
    route.request().headers()["authorization"] === "Bearer secret" ? route.continue() : route.fulfill({ status: 401, body: "{}" }),
  );
  await page.goto(`${running.url}/#/datasets`);
  await page.getByRole("textbox", { name: "API key" }).fill("secret");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("link", { name: "default" })).toBeVisible();
});
