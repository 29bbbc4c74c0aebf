import { describe, expect, it } from "vitest";
import type { TurnEvent } from "../../src/api/types";
import { follow, type Ending } from "../../src/stream/follow";
import { after, asked } from "../../src/chat/turn";

const EVENTS: TurnEvent[] = [
  { type: "started", turn: "t1", model: "fake/model" },
  { type: "delta", text: "Tea 🍵 is " },
  { type: "delta", text: "made at 80 degrees." },
  { type: "citation", passage: 0, answer: { start: 0, end: 26 }, quote: "80", source: { start: 0, end: 2 }, support: 1 },
  { type: "delta", text: " Enjoy." },
  { type: "done", finish: "stop", usage: {}, seconds: {}, cited: [0] },
];

const encoder = new TextEncoder();
const WHOLE = EVENTS.map((event, at) => encoder.encode(`id: ${at + 1}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));

/** The bytes after an event, of which so many come before the connection breaks. */
function response(seen: number, bytes: number, breaks: boolean): Response {
  const all = new Uint8Array(WHOLE.slice(seen).flatMap((event) => [...event]));
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(all.subarray(0, bytes));
    },
    // What was sent is read before the break is seen.
    pull(controller) {
      if (breaks && bytes < all.length) controller.error(new TypeError("network error"));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "x-colloquy-turn": "t1" } });
}

async function read(open: (turn: string, seen: number) => Promise<Response>, first: Response | null) {
  const told: TurnEvent[] = [];
  const connections: boolean[] = [];
  const ending: Ending = await follow({
    turn: first ? null : "t1",
    response: first,
    seen: 0,
    open,
    onEvent: (event) => told.push(event),
    onConnection: (connected) => connections.push(connected),
    wait: () => Promise.resolve(),
    signal: new AbortController().signal,
  });
  return { told, ending, connections };
}

describe("a turn's events", () => {
  it("come whole and once, wherever the first connection breaks", async () => {
    const length = WHOLE.reduce((sum, event) => sum + event.length, 0);
    for (let cut = WHOLE[0]?.length ?? 0; cut <= length; cut += 1) {
      for (const breaks of [true, false]) {
        const { told, ending } = await read(
          (_, seen) => Promise.resolve(response(seen, Infinity, false)),
          response(0, cut, breaks),
        );
        expect(ending, `cut at ${cut}`).toBe("told");
        expect(told, `cut at ${cut}`).toEqual(EVENTS);
      }
    }
  });

  it("come over as many connections as it takes, also when some cannot be opened", async () => {
    let opened = 0;
    const { told, ending } = await read((_, seen) => {
      opened += 1;
      if (opened % 2) return Promise.reject(new TypeError("offline"));
      return Promise.resolve(response(seen, (WHOLE[seen]?.length ?? 0) + 7, true));
    }, response(0, (WHOLE[0]?.length ?? 0) + 1, true));
    expect(ending).toBe("told");
    expect(told).toEqual(EVENTS);
  });

  it("are given up when the server has them no more, and a refusal is an error", async () => {
    const refused = (status: number) => () => Promise.reject(Object.assign(new Error("no"), { status }));
    expect((await read(refused(410), null)).ending).toBe("gone");
    await expect(read(refused(403), null)).rejects.toThrow("no");
    expect((await read(refused(503), null)).ending).toBe("lost");
  });

  it("make the same turn however they are put together", () => {
    const whole = after(asked("How hot?", null, []), EVENTS);
    for (let cut = 0; cut <= EVENTS.length; cut++) {
      const first = after(asked("How hot?", null, []), EVENTS.slice(0, cut));
      expect(after(first, EVENTS.slice(cut))).toEqual(whole);
    }
    expect(whole.answer).toBe("Tea 🍵 is made at 80 degrees. Enjoy.");
    // The crab counts two units in a string: the mark stands after "degrees".
    expect(whole.answer.slice(0, whole.citations[0]?.at)).toBe("Tea 🍵 is made at 80 degree");
    expect(whole.status).toBe("complete");
  });
});
