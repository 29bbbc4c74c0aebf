// A question and its answer.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Markdown } from "../markdown/Markdown";
import * as conversation from "./conversation";
import { hide, leave, peek } from "./CitationCard";
import { showSource } from "./Sources";
import { to } from "../route";
import { branches, type ShownTurn, type ToolStep } from "./turn";

export function TurnView({ turn }: { turn: ShownTurn }): ComponentChildren {
  const [edited, setEdited] = useState<string | null>(null);
  const ended = turn.status !== "running";
  return (
    <article class="turn" aria-busy={!ended}>
      {edited === null ? (
        <h2 class="question">{turn.question}</h2>
      ) : (
        <form
          class="edit"
          onSubmit={(event) => {
            event.preventDefault();
            setEdited(null);
            void conversation.ask({ insteadOf: turn.id, question: edited });
          }}
        >
          <textarea
            aria-label="Question, edited"
            rows={3}
            value={edited}
            onInput={(event) => setEdited(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Escape" && setEdited(null)}
          />
          <button class="primary" disabled={!edited.trim() || conversation.isRunning.value}>Ask anew</button>
          <button type="button" onClick={() => setEdited(null)}>Leave</button>
        </form>
      )}
      {turn.attachments.length > 0 && <p class="note">With {turn.attachments.join(", ")}</p>}
      {turn.searchedFor && <p class="note">Searched for: {turn.searchedFor}</p>}
      {turn.reasoning && (
        <details class="reasoning">
          <summary>Reasoning</summary>
          <div class="plain">{turn.reasoning}</div>
        </details>
      )}
      {turn.tools.map((tool) => (
        <Tool key={tool.id} tool={tool} />
      ))}
      <Markdown
        text={turn.answer}
        ended={ended}
        citations={turn.citations}
        onCite={{
          open: (citation) => {
            hide();
            showSource(turn.id, citation);
          },
          peek: (citation, button) => (button ? peek(turn.id, citation, button) : leave()),
        }}
      />
      {!ended && !turn.answer && <p class="note waiting">{turn.passages.length ? "Reading the passages…" : "Searching…"}</p>}
      {turn.warnings.map((warning) => (
        <p class="note warning" key={warning}>{warning}</p>
      ))}
      {turn.status === "failed" && <p class="problem" role="alert">{turn.failure?.message ?? "The answer failed."}</p>}
      {turn.status === "stopped" && <p class="note">Stopped.</p>}
      {(turn.status === "interrupted" || turn.status === "abandoned") && <p class="note">The answer broke off.</p>}
      {ended && <Foot turn={turn} onEdit={() => setEdited(turn.question)} />}
    </article>
  );
}

function Tool({ tool }: { tool: ToolStep }): ComponentChildren {
  const state = tool.result === null ? "…" : tool.failed ? "failed" : "done";
  return (
    <details class="tool">
      <summary>
        {tool.name} <span class="note">{state}{tool.seconds === null ? "" : `, ${tool.seconds.toFixed(1)} s`}</span>
      </summary>
      <pre tabIndex={0}>{tool.arguments}</pre>
      {tool.result !== null && <pre tabIndex={0}>{tool.result}</pre>}
    </details>
  );
}

function Foot({ turn, onEdit }: { turn: ShownTurn; onEdit: () => void }): ComponentChildren {
  const beside = branches(conversation.turns.value, turn.parent);
  const number = beside.findIndex(({ id }) => id === turn.id);
  const move = (by: number) => {
    const other = beside[number + by];
    if (other) conversation.choose(turn.parent, other.id);
  };
  const busy = conversation.isRunning.value;
  return (
    <div class="foot">
      {turn.passages.length > 0 && (
        <button type="button" class="quiet" onClick={() => showSource(turn.id, null)}>
          Sources ({turn.passages.length})
        </button>
      )}
      <button type="button" class="quiet" disabled={busy} onClick={() => void conversation.ask({ insteadOf: turn.id })}>
        Regenerate
      </button>
      <button type="button" class="quiet" disabled={busy} onClick={onEdit}>Edit</button>
      <a class="quiet button" href={to("turns", turn.id)}>Why this answer</a>
      <button type="button" class="quiet" onClick={() => void navigator.clipboard?.writeText(turn.answer)}>Copy</button>
      <button type="button" class="quiet" aria-pressed={turn.helpful === true} onClick={() => void conversation.judge(turn, true)}>
        Helpful
      </button>
      <button type="button" class="quiet" aria-pressed={turn.helpful === false} onClick={() => void conversation.judge(turn, false)}>
        Not helpful
      </button>
      {beside.length > 1 && (
        <span class="branches">
          <button type="button" class="quiet" aria-label="Previous branch" disabled={number === 0} onClick={() => move(-1)}>‹</button>
          {number + 1}/{beside.length}
          <button type="button" class="quiet" aria-label="Next branch" disabled={number + 1 === beside.length} onClick={() => move(1)}>›</button>
        </span>
      )}
      <span class="note figures">{figures(turn)}</span>
    </div>
  );
}

function figures(turn: ShownTurn): string {
  const { done } = turn;
  const seconds = done?.seconds["total"];
  const tokens = done?.usage.output_tokens;
  const cost = done?.spent?.reduce((sum, { cost }) => sum + (cost ?? 0), 0) ?? 0;
  return [
    turn.model,
    seconds === undefined ? "" : `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`,
    tokens ? `${tokens} tokens` : "",
    cost > 0 ? `$${cost.toFixed(4)}` : "",
  ].filter(Boolean).join(" · ");
}
