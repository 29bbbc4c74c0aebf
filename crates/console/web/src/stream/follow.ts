// A turn's events to its end, over as many connections as it takes.

import type { TurnEvent } from "../api/types";
import { events, type ServerEvent } from "./sse";

export interface Following {
  /** The turn, or null when only the first response tells. */
  turn: string | null;
  /** A response that is there already, or null to open one. */
  response: Response | null;
  /** The number of the last event that was seen. */
  seen: number;
  /** Opens the events after this one. Throws what `fetch` throws, and an error with `status` for refusals. */
  open: (turn: string, seen: number) => Promise<Response>;
  onEvent: (event: TurnEvent) => void;
  /** The connection was lost and is made again, or is back. */
  onConnection: (connected: boolean) => void;
  /** Waits before the n-th attempt in a row, from 1. */
  wait: (attempt: number) => Promise<void>;
  signal: AbortSignal;
}

/** How a stream ended: told by the server, not kept there any more, given up, or left. */
export type Ending = "told" | "gone" | "lost" | "left";

const MOST_ATTEMPTS = 30;

export async function follow(it: Following): Promise<Ending> {
  let { turn, response, seen } = it;
  let attempt = 0;
  for (;;) {
    if (it.signal.aborted) return "left";
    try {
      if (!response) {
        if (!turn) return "lost";
        response = await it.open(turn, seen);
      }
      turn ??= response.headers.get("x-colloquy-turn");
      if (response.body) {
        if (attempt > 0) it.onConnection(true);
        for await (const event of events(response.body)) {
          if (it.signal.aborted) return "left";
          const number = Number(event.id);
          // An event that was seen is told once more when a proxy repeats itself.
          if (number && number <= seen) continue;
          if (number) seen = number;
          attempt = 0;
          const read = parse(event);
          if (!read) continue;
          if (read.type === "started") turn ??= read.turn;
          it.onEvent(read);
          if (read.type === "done" || read.type === "error") return "told";
        }
      }
    } catch (error) {
      if (it.signal.aborted) return "left";
      const status = (error as { status?: number }).status;
      if (status === 410 || status === 404) return "gone";
      if (status !== undefined && status < 500 && status !== 429) throw error;
    }
    response = null;
    attempt += 1;
    if (attempt > MOST_ATTEMPTS || !turn) return "lost";
    it.onConnection(false);
    await it.wait(attempt);
  }
}

function parse(event: ServerEvent): TurnEvent | null {
  try {
    const data = JSON.parse(event.data) as Record<string, unknown>;
    return { ...data, type: data["type"] ?? event.name } as TurnEvent;
  } catch {
    return null;
  }
}

/** Soon at first, then every four seconds; at once when the network is back. */
export function patience(attempt: number): Promise<void> {
  const milliseconds = Math.min(4000, 150 * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
  });
}
