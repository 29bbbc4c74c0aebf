// Answers as they come: cut, stopped, long.

import { expect, test, type Page } from "@playwright/test";
import { network, type Network } from "./cutting";
import { provider, server, type Running } from "./server";
import { upstream, type Upstream } from "./upstream";

/** About 50,000 tokens of prose, lists, code and tables. */
const LONG = 50_000;

let model: Upstream;
let running: Running;
let net: Network;
/** What the model waits for in the middle of an answer. */
let gate: { reached: () => void; open: Promise<void> };

test.beforeAll(async () => {
  model = await upstream(async (question, say) => {
    if (question.includes("long answer")) {
      for (let token = 0; token < LONG; ) {
        const piece = paragraph(token);
        for (const word of piece.split(/(?<= )/)) {
          await say(word);
          token += 1;
        }
      }
      await say("The very end.");
      return;
    }
    await say("The first half ");
    gate.reached();
    await gate.open;
    for (let number = 1; number <= 50; number++) await say(`${number} `);
    await say("and the last word.");
  });
  running = await server(provider(model.url));
  net = await network(running.url);
});
test.afterAll(async () => {
  await net.stop();
  await running.stop();
  await model.stop();
});

function paragraph(number: number): string {
  const words = `Sentence about the number ${number} with **strong** words and \`code\` in it and some more of them. `;
  switch (Math.floor(number / 100) % 4) {
    case 0:
      return `${words.repeat(3)}\n\n`;
    case 1:
      return `- ${words}\n- ${words}\n\n`;
    case 2:
      return `\`\`\`rust\nfn number() { println!("{}", ${number}); } // a comment of some words \n\`\`\`\n\n`;
    default:
      return `| a | b |\n|---|---|\n| ${words} | ${number} |\n\n`;
  }
}

function gated(): { reached: Promise<void>; release: () => void } {
  let reach = () => {};
  let release = () => {};
  const reached = new Promise<void>((resolve) => (reach = resolve));
  gate = { reached: reach, open: new Promise<void>((resolve) => (release = resolve)) };
  return { reached, release };
}

async function ask(page: Page, question: string): Promise<void> {
  await page.getByLabel("Question", { exact: true }).fill(question);
  await page.keyboard.press("Enter");
}

async function plainDialog(): Promise<void> {
  const body = JSON.stringify({ datasets: [] });
  const init = { method: "PUT", headers: { "content-type": "application/json" }, body };
  await fetch(`${running.url}/api/v2/dialogs/plain`, init);
}

async function openChat(page: Page, url: string): Promise<void> {
  await plainDialog();
  await page.goto(url);
  await page.getByLabel("Dialog", { exact: true }).selectOption("plain");
}

test("a stream that the network cuts goes on where it was", async ({ page }) => {
  const { reached, release } = gated();
  await openChat(page, net.url);
  await ask(page, "Count, please");
  await reached;
  await expect(page.getByRole("article")).toContainText("The first half");
  net.cut();
  await expect(page.getByText("The connection was lost")).toBeVisible();
  // The answer goes on at the server, with nobody there.
  release();
  net.mend();
  await expect(page.getByRole("article")).toContainText("and the last word.", { timeout: 20_000 });
  const numbers = Array.from({ length: 50 }, (_, number) => number + 1).join(" ");
  await expect(page.locator(".markdown")).toHaveText(`The first half ${numbers} and the last word.`);
});

test("a session is opened while its answer runs", async ({ page, context }) => {
  const { reached, release } = gated();
  await openChat(page, running.url);
  await ask(page, "Count again");
  await reached;
  await expect(page).toHaveURL(/#\/chat\/\w+/);
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(other.getByRole("article")).toContainText("The first half");
  release();
  for (const one of [page, other]) await expect(one.getByRole("article")).toContainText("and the last word.");
});

test("an answer is stopped, and what there was stays", async ({ page }) => {
  const { reached, release } = gated();
  await openChat(page, running.url);
  await ask(page, "Count once more");
  await reached;
  await expect(page.getByRole("article")).toContainText("The first half");
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByRole("article")).toContainText("Stopped.");
  await expect(page.getByRole("article")).toContainText("The first half");
  release();
});

/** Tasks of the page's main thread in a trace, in milliseconds on the clock and of the processor. */
function tasks(trace: Buffer): { clock: number; processor: number }[] {
  interface Traced {
    name: string;
    cat: string;
    ph: string;
    pid: number;
    tid: number;
    dur?: number;
    tdur?: number;
    args?: { name?: string };
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: Traced[] };
  const mains = traceEvents.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain");
  const isMain = ({ pid, tid }: Traced) => mains.some((main) => main.pid === pid && main.tid === tid);
  return traceEvents
    .filter((event) => event.name === "RunTask" || event.name.endsWith("RunTask"))
    .filter((event) => event.ph === "X" && isMain(event))
    .map(({ dur = 0, tdur = dur }) => ({ clock: dur / 1000, processor: tdur / 1000 }));
}

test("an answer of 50,000 tokens stays smooth", async ({ page, browser }) => {
  test.setTimeout(180_000);
  await openChat(page, running.url);
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  await ask(page, "A long answer, please");
  // Looking at all of the text again and again would be a long task itself.
  await page.waitForFunction(
    () => window.document.querySelector(".markdown")?.lastElementChild?.lastElementChild?.textContent?.includes("The very end."),
    null,
    { timeout: 150_000, polling: 500 },
  );
  const found = tasks(await browser.stopTracing());
  const length = await page.locator(".markdown").evaluate((element) => element.textContent?.length ?? 0);
  const longest = (of: "clock" | "processor") => Math.max(...found.map((task) => task[of])).toFixed(1);
  const over = found.filter(({ clock }) => clock > 50).length;
  console.log(
    `${length} characters; ${found.length} tasks, longest ${longest("processor")} ms of the processor, ` +
      `${longest("clock")} ms on the clock, ${over} above 50 ms there`,
  );
  expect(found.length).toBeGreaterThan(100);
  expect(length).toBeGreaterThan(200_000);
  // On the clock, whatever else runs on the machine counts, too.
  expect(found.filter(({ processor }) => processor > 50)).toEqual([]);
});
