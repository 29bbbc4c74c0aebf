// How an answer came about: what was done when, what it rests on, what it cost.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part } from "../api/client";
import type { Passage, Step, Turn } from "../api/types";
import { place } from "../chat/Sources";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { to } from "../route";
import { Waterfall } from "./Waterfall";

export function TurnPage({ id }: { id: string }): ComponentChildren {
  const { value: turn, problem } = useLoaded<Turn>(`/api/v2/turns/${part(id)}`);
  if (!turn) return <div class="page"><h1>Why this answer</h1><Problem text={problem} /></div>;
  return (
    <div class="page">
      <p class="note"><a href={to("chat", turn.session)}>Back to the conversation</a></p>
      <h1>Why this answer</h1>
      <p class="question">{turn.question}</p>
      <p class="note">{summary(turn)}</p>
      {turn.failure && <Problem text={turn.failure.message} />}
      <h2>What was done</h2>
      <Steps turn={turn} />
      <h2>What it rests on</h2>
      <Passages turn={turn} />
      <Spent turn={turn} />
    </div>
  );
}

function summary(turn: Turn): string {
  const { query } = turn;
  return [
    turn.status,
    turn.model ?? "",
    new Date(turn.asked_at).toLocaleString(),
    query ? `searched for: ${[query.text, ...(query.translations ?? []), ...(query.keywords ?? [])].join(" · ")}` : "",
  ].filter(Boolean).join(" · ");
}

function Steps({ turn }: { turn: Turn }): ComponentChildren {
  const steps = turn.trace ?? [];
  const [chosen, setChosen] = useState<Step | null>(null);
  if (steps.length === 0) return <p class="note">Nothing was noted of it.</p>;
  return (
    <>
      <Waterfall steps={steps} total={turn.done?.seconds["total"] ?? 0} chosen={chosen} onChoose={setChosen} />
      {chosen && <Detail step={chosen} />}
    </>
  );
}

function Detail({ step }: { step: Step }): ComponentChildren {
  return (
    <section class="step" aria-label={`Step ${step.name}`}>
      <h3>{step.name}</h3>
      {step.failure && <Problem text={step.failure} />}
      <h4>What went in</h4>
      <pre tabIndex={0}>{step.input || "nothing besides what was there"}</pre>
      <h4>What came out</h4>
      <pre tabIndex={0}>{step.output || "nothing"}</pre>
    </section>
  );
}

function Passages({ turn }: { turn: Turn }): ComponentChildren {
  const passages = turn.passages ?? [];
  const cited = new Set((turn.citations ?? []).map(({ passage }) => passage));
  if (passages.length === 0) return <p class="note">No passages: no dataset was searched, or nothing was found.</p>;
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Passages">
      <table>
        <thead><tr><th>Passage</th><th>Cited</th><th>Score</th><th>Text</th><th>Vector</th><th>Rerank</th></tr></thead>
        <tbody>
          {passages.map((passage, number) => (
            <tr key={passage.chunk.id}>
              <td><a href={address(passage)}>{number + 1}. {place(passage)}</a></td>
              <td>{cited.has(number) ? "yes" : "no"}</td>
              <td class="number">{passage.score.toFixed(3)}</td>
              <td class="number">{figure(passage.why.coverage)}</td>
              <td class="number">{figure(passage.why.nearness)}</td>
              <td class="number">{figure(passage.why.rerank)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function address({ chunk }: Passage): string {
  return `${to("documents", chunk.document)}?from=${chunk.span.start}&to=${chunk.span.end}&chunk=${chunk.ordinal}`;
}

const figure = (value: number | undefined) => (value === undefined ? "" : value.toFixed(3));

function Spent({ turn }: { turn: Turn }): ComponentChildren {
  const spent = turn.spent ?? turn.done?.spent ?? [];
  if (spent.length === 0) return null;
  return (
    <>
      <h2>What it took</h2>
      <div class="wide" tabIndex={0} role="region" aria-label="Models">
        <table>
          <thead><tr><th>Model</th><th>Attempts</th><th>Tokens in</th><th>Tokens out</th><th>Cost</th></tr></thead>
          <tbody>
            {spent.map(({ model, attempts, usage, cost }) => (
              <tr key={model}>
                <td>{model}</td>
                <td class="number">{attempts}</td>
                <td class="number">{usage.input_tokens ?? ""}</td>
                <td class="number">{usage.output_tokens ?? ""}</td>
                <td class="number">{cost === undefined ? "" : `$${cost.toFixed(4)}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
