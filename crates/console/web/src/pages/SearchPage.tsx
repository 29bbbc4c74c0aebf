// The search lab: one question, two settings, and what each score is made of.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { post, told } from "../api/client";
import type { Dataset, Model, Passage, SearchAnswer, SearchRequest } from "../api/types";
import { place } from "../chat/Sources";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { to } from "../route";

interface Settings {
  weight: number;
  threshold: number;
  rerank: string;
  filter: string;
  top: number;
}

interface Side {
  settings: Settings;
  answer: SearchAnswer | null;
  problem: string;
}

const USUAL: Settings = { weight: 0.3, threshold: 0, rerank: "", filter: "", top: 8 };
const NAMES = ["A", "B"];

export function SearchPage(): ComponentChildren {
  const datasets = useLoaded<{ datasets: Dataset[] }>("/api/v2/datasets");
  const models = useLoaded<{ data: Model[] }>("/v1/models");
  const [query, setQuery] = useState("");
  const [dataset, setDataset] = useState("default");
  const [isBusy, setBusy] = useState(false);
  const [sides, setSides] = useState<Side[]>([
    { settings: USUAL, answer: null, problem: "" },
    { settings: { ...USUAL, weight: 0.7 }, answer: null, problem: "" },
  ]);
  const rerankers = models.value?.data.filter(({ kind }) => kind === "rerank").map(({ id }) => id) ?? [];

  const search = async () => {
    setBusy(true);
    const found = await Promise.all(sides.map((side) => ask(side, query, dataset)));
    setSides(found);
    setBusy(false);
  };
  const change = (number: number, settings: Settings) =>
    setSides(sides.map((side, other) => (other === number ? { ...side, settings } : side)));

  return (
    <div class="page wide-page">
      <h1>Search lab</h1>
      <Problem text={datasets.problem} />
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void search();
        }}
      >
        <label class="grow">Question <input value={query} onInput={(event) => setQuery(event.currentTarget.value)} /></label>
        <label>
          Dataset{" "}
          <select value={dataset} onChange={(event) => setDataset(event.currentTarget.value)}>
            {(datasets.value?.datasets ?? []).map(({ id, name }) => <option key={id}>{name}</option>)}
          </select>
        </label>
        <button class="primary" disabled={isBusy || !query.trim()}>Search</button>
      </form>
      <div class="sides">
        {sides.map((side, number) => (
          <section key={number} aria-label={`Settings ${NAMES[number]}`}>
            <h2>{NAMES[number]}</h2>
            <SettingsFields settings={side.settings} rerankers={rerankers} onChange={(settings) => change(number, settings)} />
            <Problem text={side.problem} />
            {side.answer && <Answer answer={side.answer} other={sides[1 - number]?.answer ?? null} />}
          </section>
        ))}
      </div>
    </div>
  );
}

async function ask(side: Side, query: string, dataset: string): Promise<Side> {
  const { weight, threshold, rerank, filter, top } = side.settings;
  const request: SearchRequest = { query, datasets: [dataset], top, threshold, vector_weight: weight, highlight: true };
  if (rerank) request.rerank = rerank;
  if (filter.trim()) request.filter = filter;
  try {
    return { ...side, answer: await post<SearchAnswer>("/api/v2/search", request), problem: "" };
  } catch (error) {
    return { ...side, answer: null, problem: told(error) };
  }
}

interface FieldsProps {
  settings: Settings;
  rerankers: string[];
  onChange: (settings: Settings) => void;
}

function SettingsFields({ settings, rerankers, onChange }: FieldsProps): ComponentChildren {
  return (
    <div class="fields compact">
      <label>
        Vector weight: {settings.weight.toFixed(2)}
        <input type="range" min={0} max={1} step={0.05} value={settings.weight} onInput={(event) => onChange({ ...settings, weight: event.currentTarget.valueAsNumber })} />
      </label>
      <label>
        Threshold: {settings.threshold.toFixed(2)}
        <input type="range" min={0} max={1} step={0.05} value={settings.threshold} onInput={(event) => onChange({ ...settings, threshold: event.currentTarget.valueAsNumber })} />
      </label>
      <label>
        Rerank
        <select value={settings.rerank} onChange={(event) => onChange({ ...settings, rerank: event.currentTarget.value })}>
          <option value="">none</option>
          {rerankers.map((name) => <option key={name}>{name}</option>)}
        </select>
      </label>
      <label>Filter <input placeholder="year >= 2024" value={settings.filter} onInput={(event) => onChange({ ...settings, filter: event.currentTarget.value })} /></label>
      <label>Hits <input type="number" min={1} max={50} value={settings.top} onInput={(event) => onChange({ ...settings, top: event.currentTarget.valueAsNumber || 8 })} /></label>
    </div>
  );
}

function Answer({ answer, other }: { answer: SearchAnswer; other: SearchAnswer | null }): ComponentChildren {
  const milliseconds = Object.values(answer.timings).reduce((sum, { secs, nanos }) => sum + secs * 1e3 + nanos / 1e6, 0);
  return (
    <>
      <p class="note" role="status">
        {answer.matching} hits among {answer.total} chunks, {milliseconds.toFixed(1)} ms
      </p>
      {answer.warnings.map((warning) => <p key={warning} class="note warning">{warning}</p>)}
      <ol class="hits">
        {answer.passages.map((passage, number) => {
          const there = other?.passages.findIndex(({ chunk }) => chunk.id === passage.chunk.id) ?? -1;
          return (
            <li key={passage.chunk.id}>
              <a href={`${to("documents", passage.chunk.document)}?from=${passage.chunk.span.start}&to=${passage.chunk.span.end}&chunk=${passage.chunk.ordinal}`}>
                {place(passage)}
              </a>
              {other && <span class="note"> {there < 0 ? "only here" : moved(there - number)}</span>}
              <Bars passage={passage} />
              <Excerpt passage={passage} />
            </li>
          );
        })}
      </ol>
    </>
  );
}

const moved = (by: number) => (by === 0 ? "same rank" : by > 0 ? `▲ ${by}` : `▼ ${-by}`);

function Bars({ passage }: { passage: Passage }): ComponentChildren {
  const { why } = passage;
  const bars: [string, number | undefined][] = [
    ["text", why.coverage],
    ["vector", why.nearness],
    ["rerank", why.rerank],
    ["final", passage.score],
  ];
  return (
    <dl class="bars">
      {bars.map(([name, score]) =>
        score === undefined ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <meter min={0} max={1} value={Math.max(0, Math.min(1, score))} aria-label={`${name} score`} />
              {score.toFixed(3)}
            </dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** The passage with its words of the question marked; places count bytes. */
function Excerpt({ passage }: { passage: Passage }): ComponentChildren {
  const bytes = new TextEncoder().encode(passage.chunk.text);
  const decoder = new TextDecoder();
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const { start, end } of passage.highlights ?? []) {
    if (start < at || end > bytes.length) continue;
    parts.push(decoder.decode(bytes.subarray(at, start)), <mark key={start}>{decoder.decode(bytes.subarray(start, end))}</mark>);
    at = end;
  }
  parts.push(decoder.decode(bytes.subarray(at)));
  return <div class="plain excerpt" tabIndex={0} role="group" aria-label="Passage">{parts}</div>;
}
