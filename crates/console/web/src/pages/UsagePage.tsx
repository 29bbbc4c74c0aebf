// What model calls consumed, how long they took and how they ended, over time.

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { part } from "../api/client";
import type { UsageAnswer, UsageGroup } from "../api/types";
import { useLoaded } from "../parts/load";
import { Plot } from "../parts/Plot";
import { Problem } from "../parts/Problem";
import { ErrorsSection } from "./usage/Errors";
import { LatencySection } from "./usage/Latency";
import { LatestAnswers } from "./usage/LatestAnswers";
import { series } from "./usage/series";

const DAY = 86_400_000;
const MEASURES: [string, (group: UsageGroup) => number][] = [
  ["Calls", ({ calls }) => calls],
  ["Tokens in and out", ({ input_tokens, output_tokens }) => input_tokens + output_tokens],
  ["Cost in US dollars", ({ cost }) => cost],
];
const TIMES: [number, string][] = [[1, "a day"], [2, "two days"], [7, "a week"], [31, "a month"], [365, "a year"]];
const OPERATIONS = ["chat", "embed", "rerank", "describe", "speak", "transcribe"];
/** By the hour, a longer time has more points than a plot has room for. */
const MOST_DAYS_BY_HOUR = 31;

export function UsagePage(): ComponentChildren {
  const [days, setDays] = useState(7);
  const [wanted, setWanted] = useState("day");
  const [model, setModel] = useState("");
  const [operation, setOperation] = useState("chat");
  const step = days > MOST_DAYS_BY_HOUR ? "day" : wanted;
  // To the hour, so that the address stays the same while one looks.
  const from = new Date(Date.now() - days * DAY).toISOString().slice(0, 13) + ":00:00Z";
  const only = model ? `&model=${part(model)}` : "";
  const { value, problem } = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=${step},model&from=${from}${only}`);
  const known = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=model&from=${from}`);
  const plots = useMemo(
    () => MEASURES.map(([name, measure]) => [name, series(value?.groups ?? [], step, "model", measure)] as const),
    [value, step],
  );
  const models = (known.value?.groups ?? []).map(({ by }) => by["model"] ?? "").filter(Boolean);
  return (
    <div class="page">
      <h1>Usage</h1>
      <div class="fields compact">
        <Choice name="Time" value={`${days}`} options={TIMES.map(([days, name]) => [`${days}`, name])} onChoose={(days) => setDays(Number(days))} />
        <Choice name="By" value={step} options={[["hour", "hour"], ["day", "day"]]} onChoose={setWanted} />
        <Choice name="Model" value={model} options={[["", "all"], ...models.map((name): [string, string] => [name, name])]} onChoose={setModel} />
        <Choice name="Calls that are timed" value={operation} options={OPERATIONS.map((name) => [name, name])} onChoose={setOperation} />
      </div>
      <Problem text={problem} />
      {value && !value.complete && <p class="note warning">There is more than can be shown.</p>}
      {value && <div class="plots">{plots.map(([name, lines]) => <Plot key={name} name={name} by="model" from={Date.parse(from) / 1000} {...lines} />)}</div>}
      {value && <Sums groups={byModel(value.groups)} />}
      <LatencySection from={from} step={step} model={model} operation={operation} />
      <ErrorsSection from={from} step={step} />
      <LatestAnswers />
    </div>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  options: [string, string][];
  onChoose: (value: string) => void;
}

function Choice({ name, value, options, onChoose }: ChoiceProps): ComponentChildren {
  return (
    <label>
      {name}
      <select aria-label={name} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        {options.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
    </label>
  );
}

function byModel(groups: UsageGroup[]): UsageGroup[] {
  const sums = new Map<string, UsageGroup>();
  for (const group of groups) {
    const model = group.by["model"] ?? "unknown";
    const sum = sums.get(model);
    if (!sum) {
      sums.set(model, { ...group, by: { model } });
      continue;
    }
    for (const field of ["calls", "attempts", "input_tokens", "output_tokens", "cost", "unpriced", "total_seconds"] as const) {
      sum[field] += group[field];
    }
  }
  return [...sums.values()].sort((one, other) => other.calls - one.calls);
}

function Sums({ groups }: { groups: UsageGroup[] }): ComponentChildren {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Sums by model">
      <table>
        <thead><tr><th>Model</th><th>Calls</th><th>Attempts</th><th>Tokens in</th><th>Tokens out</th><th>Cost</th></tr></thead>
        <tbody>
          {groups.map((group) => (
            <tr key={group.by["model"]}>
              <td>{group.by["model"]}</td>
              <td class="number">{group.calls.toLocaleString("en")}</td>
              <td class="number">{group.attempts.toLocaleString("en")}</td>
              <td class="number">{group.input_tokens.toLocaleString("en")}</td>
              <td class="number">{group.output_tokens.toLocaleString("en")}</td>
              <td class="number">{group.unpriced === group.calls ? "not known" : `$${group.cost.toFixed(4)}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
