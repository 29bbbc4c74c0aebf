// A provider of one's own: added, tried, changed, forgotten.

import { expect, test } from "@playwright/test";
import AxeBuilder from "@axe-core/playwright";
import { server, type Running } from "./server";
import { upstream, type Upstream } from "./upstream";

let running: Running;
let far: Upstream;
test.beforeAll(async () => {
  far = await upstream(async (_, say) => say("It is a fine day."));
  running = await server();
});
test.afterAll(async () => {
  await running.stop();
  await far.stop();
});

test("a provider is added, tested, changed and forgotten", async ({ page }) => {
  await page.goto(`${running.url}/#/models`);
  const form = page.getByRole("form", { name: "New provider" });
  await form.getByLabel("Name").fill("nearby");
  await form.getByLabel("Dialect").selectOption("openai");
  await form.getByLabel("Base URL").fill(far.url);
  await form.getByLabel("API key").fill("made-up-secret-1234");
  await form.getByLabel("Default model").fill("model");
  await form.getByRole("button", { name: "Save" }).click();

  const card = page.getByRole("listitem").filter({ hasText: "nearby" });
  await expect(card).toContainText("1234");
  await expect(page.locator("body")).not.toContainText("made-up-secret");
  await card.getByRole("button", { name: "Test nearby" }).click();
  await expect(card.getByRole("status")).toContainText("It is a fine day.");
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);

  // Another address, with the key that it has; nobody answers there.
  await card.getByRole("button", { name: "Edit nearby" }).click();
  const change = page.getByRole("form", { name: "Provider nearby" });
  await change.getByLabel("Base URL").fill("http://127.0.0.1:1/v1");
  await change.getByRole("button", { name: "Save" }).click();
  await expect(card).toContainText("127.0.0.1:1");
  await expect(card).toContainText("1234");
  await card.getByRole("button", { name: "Test nearby" }).click();
  await expect(card.getByRole("alert")).toContainText("It failed after");

  page.on("dialog", (dialog) => void dialog.accept());
  await card.getByRole("button", { name: "Forget nearby" }).click();
  await expect(card).toHaveCount(0);
});
