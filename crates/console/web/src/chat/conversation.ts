// The conversation that is open: asking, following, stopping, branches.

import { batch, computed, signal } from "@preact/signals";
import { get, part, post, remove, send, told } from "../api/client";
import type { Session, Turn, TurnEvent } from "../api/types";
import { go, to } from "../route";
import { follow, patience, type Ending } from "../stream/follow";
import { after, asked, kept, path, type ShownTurn } from "./turn";

export interface Attached {
  name: string;
  data: string;
}

export const dialog = signal("default");
/** A model for the next questions; empty: the dialog's. */
export const model = signal("");
export const session = signal<string | null>(null);
export const sessions = signal<Session[]>([]);
export const turns = signal<ShownTurn[]>([]);
export const chosen = signal<ReadonlyMap<string, string>>(new Map());
export const problem = signal("");
/** What is going on with the running turn, for people. */
export const connection = signal<"" | "asking" | "answering" | "reconnecting">("");

export const shown = computed(() => path(turns.value, chosen.value));
export const isRunning = computed(() => connection.value !== "");

let leaving = new AbortController();

export interface Asking {
  question?: string;
  parent?: string | null;
  insteadOf?: string;
  attachments?: Attached[];
}

/** Asks, and follows the answer to its end. Whether the question was taken. */
export async function ask(it: Asking): Promise<boolean> {
  if (isRunning.value) return false;
  const before = turns.value;
  const other = before.find(({ id }) => id === it.insteadOf);
  const parent = other ? other.parent : (it.parent ?? shown.value.at(-1)?.id ?? null);
  const question = it.question ?? other?.question ?? "";
  const names = it.attachments?.map(({ name }) => name) ?? other?.attachments ?? [];
  const signal = renewed();
  batch(() => {
    problem.value = "";
    connection.value = "asking";
    turns.value = [...before, { ...asked(question, parent, names), id: PENDING }];
    choose(parent, PENDING);
  });
  const place = it.insteadOf
    ? { instead_of: it.insteadOf }
    : session.value
      ? { session: session.value, parent }
      : {};
  const body = {
    ...place,
    ...(it.question === undefined ? {} : { question: it.question }),
    ...(it.attachments?.length ? { attachments: it.attachments } : {}),
    ...(model.value ? { model: model.value } : {}),
  };
  try {
    const response = await send(`/api/v2/dialogs/${part(dialog.value)}/turns`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
    const id = response.headers.get("x-colloquy-turn") ?? "";
    const opened = response.headers.get("x-colloquy-session");
    batch(() => {
      change(PENDING, (turn) => ({ ...turn, id }));
      choose(parent, id);
      session.value = opened;
    });
    if (opened) history.replaceState(null, "", to("chat", opened));
    void list();
    void read(id, response, 0, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    batch(() => {
      turns.value = before;
      connection.value = "";
      problem.value = told(error);
    });
    return false;
  }
}

const PENDING = "pending";

async function read(id: string, response: Response | null, seen: number, signal: AbortSignal): Promise<void> {
  const waiting: TurnEvent[] = [];
  let frame = 0;
  const settle = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    const events = waiting.splice(0);
    if (events.length && !signal.aborted) change(id, (turn) => after(turn, events));
  };
  connection.value = response ? "answering" : "reconnecting";
  let ending: Ending;
  try {
    ending = await follow({
      turn: id,
      response,
      seen,
      open: (turn, last) =>
        send(`/api/v2/turns/${part(turn)}/events`, {
          ...(last ? { headers: { "last-event-id": `${last}` } } : {}),
          signal,
        }),
      onEvent: (event) => {
        waiting.push(event);
        // One change a frame, however many events there are; pages in the background have no frames.
        frame ||= document.hidden ? (settle(), 0) : requestAnimationFrame(settle);
      },
      onConnection: (connected) => {
        if (!signal.aborted) connection.value = connected ? "answering" : "reconnecting";
      },
      wait: patience,
      signal,
    });
  } catch (error) {
    if (!signal.aborted) problem.value = told(error);
    ending = "lost";
  }
  settle();
  if (signal.aborted) return;
  if (ending === "gone" || ending === "lost") await reload(id, ending);
  connection.value = "";
}

/** What came of a turn whose events are not there any more. */
async function reload(id: string, ending: Ending): Promise<void> {
  try {
    const turn = await get<Turn>(`/api/v2/turns/${part(id)}`);
    change(id, () => kept(turn));
  } catch (error) {
    problem.value = ending === "lost" ? "The connection is lost. Open the session again to read on." : told(error);
  }
}

/** Stops the running turn; what was answered stays. */
export async function stop(): Promise<void> {
  const id = turns.value.find(({ status }) => status === "running")?.id;
  if (!id || id === PENDING) {
    renewed();
    return;
  }
  await remove(`/api/v2/turns/${part(id)}`).catch((error: unknown) => {
    problem.value = told(error);
  });
}

/** Notes what a reader thinks of an answer; the same again takes it back. */
export async function judge(turn: ShownTurn, helpful: boolean): Promise<void> {
  const feedback = turn.helpful === helpful ? null : { helpful };
  try {
    await post(`/api/v2/turns/${part(turn.id)}`, { feedback }, "PATCH");
    change(turn.id, (turn) => ({ ...turn, helpful: feedback?.helpful ?? null }));
  } catch (error) {
    problem.value = told(error);
  }
}

export function choose(parent: string | null, id: string): void {
  chosen.value = new Map(chosen.value).set(parent ?? "", id);
}

/** Opens a session, or an empty one. */
export async function open(id: string | null): Promise<void> {
  if (id === session.value && (id !== null || !turns.value.length)) return;
  const signal = renewed();
  batch(() => {
    session.value = id;
    turns.value = [];
    chosen.value = new Map();
    problem.value = connection.value = "";
  });
  if (!id) return;
  try {
    const found: Turn[] = [];
    let next: string | null = null;
    do {
      const after: string = next ? `&after=${part(next)}` : "";
      const address = `/api/v2/sessions/${part(id)}/turns?limit=100${after}`;
      const page: { session: Session; turns: Turn[]; next: string | null } = await get(address);
      found.push(...page.turns);
      next = page.next;
      if (!signal.aborted) dialog.value = page.session.dialog;
    } while (next && !signal.aborted);
    if (signal.aborted) return;
    turns.value = found.map(kept);
    const last = found.at(-1);
    if (last?.status === "running") {
      change(last.id, (turn) => ({ ...asked(turn.question, turn.parent, turn.attachments), id: turn.id }));
      void read(last.id, null, 0, signal);
    }
  } catch (error) {
    if (!signal.aborted) problem.value = told(error);
  }
}

export async function list(): Promise<void> {
  try {
    sessions.value = (await get<{ sessions: Session[] }>("/api/v2/sessions?limit=100")).sessions;
  } catch (error) {
    problem.value = told(error);
  }
}

export async function forget(id: string): Promise<void> {
  try {
    await remove(`/api/v2/sessions/${part(id)}`);
    if (id === session.value) go(to("chat"));
    await list();
  } catch (error) {
    problem.value = told(error);
  }
}

function renewed(): AbortSignal {
  leaving.abort();
  leaving = new AbortController();
  connection.value = "";
  return leaving.signal;
}

function change(id: string, how: (turn: ShownTurn) => ShownTurn): void {
  turns.value = turns.value.map((turn) => (turn.id === id ? how(turn) : turn));
}
