// A turn as it is shown, and how events change it.

import type { Citation, Failure, Passage, Turn, TurnEvent, TurnStatus, Done } from "../api/types";

export interface ToolStep {
  id: string;
  name: string;
  arguments: string;
  result: string | null;
  failed: boolean;
  seconds: number | null;
}

/** A citation and the place of its mark in the answer, in UTF-16 units. */
export interface PlacedCitation extends Citation {
  at: number;
}

export interface ShownTurn {
  id: string;
  parent: string | null;
  question: string;
  status: TurnStatus;
  model: string;
  answer: string;
  reasoning: string;
  searchedFor: string;
  passages: Passage[];
  citations: PlacedCitation[];
  tools: ToolStep[];
  warnings: string[];
  attachments: string[];
  done: Done | null;
  failure: Failure | null;
  helpful: boolean | null;
}

export function asked(question: string, parent: string | null, attachments: string[]): ShownTurn {
  return {
    id: "",
    parent,
    question,
    status: "running",
    model: "",
    answer: "",
    reasoning: "",
    searchedFor: "",
    passages: [],
    citations: [],
    tools: [],
    warnings: [],
    attachments,
    done: null,
    failure: null,
    helpful: null,
  };
}

/** A kept turn. */
export function kept(turn: Turn): ShownTurn {
  const shown = asked(turn.question, turn.parent, (turn.attachments ?? []).map(({ name }) => name));
  return {
    ...shown,
    id: turn.id,
    status: turn.status,
    model: turn.model ?? "",
    answer: turn.answer,
    reasoning: turn.reasoning ?? "",
    passages: turn.passages ?? [],
    citations: (turn.citations ?? []).map((citation) => placed(turn.answer, citation)),
    tools: (turn.ran ?? []).map(({ call, result, seconds }) => ({
      id: call.id,
      name: call.name,
      arguments: call.arguments,
      result: result ? words(result.parts) : null,
      failed: result?.is_error ?? false,
      seconds: seconds ?? null,
    })),
    warnings: turn.warnings ?? [],
    done: turn.done ?? null,
    failure: turn.failure ?? null,
    helpful: turn.feedback?.helpful ?? null,
  };
}

/** The turn after these events. Deltas in a row are joined before they are added, since an answer may be long. */
export function after(turn: ShownTurn, events: TurnEvent[]): ShownTurn {
  const next = { ...turn };
  let text = "";
  let reasoning = "";
  const settle = () => {
    next.answer += text;
    next.reasoning += reasoning;
    text = reasoning = "";
  };
  for (const event of events) {
    if (event.type === "delta") text += event.text;
    else if (event.type === "reasoning") reasoning += event.text;
    else {
      settle();
      apply(next, event);
    }
  }
  settle();
  return next;
}

function apply(turn: ShownTurn, event: TurnEvent): void {
  switch (event.type) {
    case "started":
      turn.id = event.turn;
      turn.model = event.model;
      return;
    case "question":
      turn.searchedFor = [event.text, ...(event.translations ?? []), ...(event.keywords ?? [])].join(" · ");
      return;
    case "retrieved":
      turn.passages = event.passages;
      return;
    case "citation":
      turn.citations = [...turn.citations, placed(turn.answer, event)];
      return;
    case "tool": {
      const id = `${event.index}`;
      const known = turn.tools.find((tool) => tool.id === id);
      const step = known ?? { id, name: "", arguments: "", result: null, failed: false, seconds: null };
      const grown = { ...step, name: event.name ?? step.name, arguments: step.arguments + event.arguments };
      turn.tools = known ? turn.tools.map((tool) => (tool === known ? grown : tool)) : [...turn.tools, grown];
      return;
    }
    case "tool_called":
      turn.tools = [...turn.tools, { ...event.call, result: null, failed: false, seconds: null }];
      return;
    case "tool_returned":
      turn.tools = turn.tools.map((tool) =>
        tool.id === event.result.call_id
          ? { ...tool, result: words(event.result.parts), failed: event.result.is_error, seconds: event.seconds }
          : tool,
      );
      return;
    case "warning":
      turn.warnings = [...turn.warnings, event.message];
      return;
    case "done":
      turn.done = event;
      turn.status = event.finish === "cancelled" ? "stopped" : "complete";
      return;
    case "error":
      turn.failure = event;
      turn.status = event.code === "stopped" ? "stopped" : "failed";
      return;
  }
}

const words = (parts: { text?: string }[]) => parts.map(({ text }) => text ?? "").join("\n");

/** The server counts Unicode scalar values, strings count UTF-16 units. */
function placed(answer: string, citation: Citation): PlacedCitation {
  let left = citation.answer.end;
  let at = 0;
  while (left > 0 && at < answer.length) {
    at += (answer.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    left -= 1;
  }
  return { ...citation, at };
}

/** The turns from the first to the last that are shown, when these branches are chosen (parent → child). */
export function path(turns: ShownTurn[], chosen: ReadonlyMap<string, string>): ShownTurn[] {
  const shown: ShownTurn[] = [];
  let parent: string | null = null;
  for (;;) {
    const beside = branches(turns, parent);
    const wanted = chosen.get(parent ?? "");
    const next = beside.find(({ id }) => id === wanted) ?? beside.at(-1);
    if (!next || shown.includes(next)) return shown;
    shown.push(next);
    parent = next.id;
    if (!parent) return shown;
  }
}

/** The turns that follow the same one. */
export function branches(turns: ShownTurn[], parent: string | null): ShownTurn[] {
  return turns.filter((turn) => turn.parent === parent);
}
