// What model calls consumed, over time.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { UsageAnswer, UsageGroup } from "../api/types";
import { useLoaded } from "../parts/load";
import { Plot } from "../parts/Plot";
import { Problem } from "../parts/Problem";

const DAY = 86_400_000;
const MEASURES: [string, (group: UsageGroup) => number][] = [
  ["Calls", ({ calls }) => calls],
  ["Tokens in and out", ({ input_tokens, output_tokens }) => input_tokens + output_tokens],
  ["Cost in US dollars", ({ cost }) => cost],
  ["Seconds of a call, on average", ({ total_seconds, calls }) => (calls ? total_seconds / calls : 0)],
];

export function UsagePage(): ComponentChildren {
  const [days, setDays] = useState(7);
  const step = days <= 2 ? "hour" : "day";
  const from = new Date(Date.now() - days * DAY).toISOString().slice(0, 10);
  const { value, problem } = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=${step},model&from=${from}`);
  const errors = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=provider,outcome,error&from=${from}`);
  return (
    <div class="page">
      <h1>Usage</h1>
      <div class="fields">
        <label>
          Time
          <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
            <option value={2}>two days, by the hour</option>
            <option value={7}>a week</option>
            <option value={31}>a month</option>
            <option value={365}>a year</option>
          </select>
        </label>
      </div>
      <Problem text={problem} />
      {value && !value.complete && <p class="note warning">There is more than can be shown.</p>}
      {value && <div class="plots">{MEASURES.map(([name, measure]) => <Plot key={name} name={name} {...series(value.groups, step, measure)} />)}</div>}
      {value && <Sums groups={byModel(value.groups)} />}
      {errors.value && <Outcomes groups={errors.value.groups} />}
    </div>
  );
}

/** A line for each model over the same times. */
export function series(groups: UsageGroup[], step: string, measure: (group: UsageGroup) => number) {
  const time = (group: UsageGroup) => Date.parse(`${group.by[step] ?? ""}${step === "hour" ? ":00Z" : ""}`.replace(/Z?:00Z$/, ":00Z")) / 1000;
  const times = [...new Set(groups.map(time))].filter(Number.isFinite).sort((one, other) => one - other);
  const models = [...new Set(groups.map(({ by }) => by["model"] ?? "unknown"))].sort();
  const lines = models.map((model) => {
    const own = new Map(groups.filter(({ by }) => (by["model"] ?? "unknown") === model).map((group) => [time(group), measure(group)]));
    return times.map((time) => own.get(time) ?? 0);
  });
  return { times, models, lines };
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

function Outcomes({ groups }: { groups: UsageGroup[] }): ComponentChildren {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="How calls ended">
      <table>
        <thead><tr><th>Provider</th><th>Outcome</th><th>Error</th><th>Calls</th></tr></thead>
        <tbody>
          {groups.map(({ by, calls }) => (
            <tr key={JSON.stringify(by)}>
              <td>{by["provider"] ?? ""}</td><td>{by["outcome"] ?? ""}</td><td>{by["error"] ?? ""}</td><td class="number">{calls.toLocaleString("en")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
