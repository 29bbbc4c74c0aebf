// How long calls take: percentiles over time, and by model.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { part } from "../../api/client";
import type { Latency, LatencyAnswer, Percentiles } from "../../api/types";
import { useLoaded } from "../../parts/load";
import { Plot } from "../../parts/Plot";
import { Problem } from "../../parts/Problem";
import { duration } from "../Waterfall";
import { measures } from "./series";

const OF = ["p50", "p90", "p99"] as const;
const KINDS: ["total_seconds" | "first_event_seconds", string][] = [
  ["total_seconds", "Seconds to the end of a call"],
  ["first_event_seconds", "Seconds to its first token"],
];

interface Props {
  from: string;
  step: string;
  /** Only this model; empty: all. */
  model: string;
  operation: string;
}

export function LatencySection({ from, step, model, operation }: Props): ComponentChildren {
  const filter = `from=${from}&operation=${operation}${model ? `&model=${part(model)}` : ""}`;
  const overTime = useLoaded<LatencyAnswer>(`/api/v2/usage/latency?group_by=${step}&${filter}`);
  const byModel = useLoaded<LatencyAnswer>(`/api/v2/usage/latency?group_by=model&${filter}`);
  const plots = useMemo(
    () => KINDS.map(([kind, name]) => [name, measures(overTime.value?.groups ?? [], step, OF.map((of) => [of, (group) => group[kind]?.[of] ?? null]))] as const),
    [overTime.value, step],
  );
  const isEmpty = overTime.value?.total.calls === 0;
  return (
    <section aria-label="How long calls take">
      <h2>How long calls take</h2>
      <Problem text={overTime.problem || byModel.problem} />
      {isEmpty && <p class="note">No such call was answered in this time.</p>}
      {overTime.value && !overTime.value.complete && <p class="note warning">There are more calls: these are the newest.</p>}
      {overTime.value && !isEmpty && (
        <div class="plots">
          {plots.map(([name, lines]) => <Plot key={name} name={name} by="percentile" from={Date.parse(from) / 1000} {...lines} />)}
        </div>
      )}
      {byModel.value && !isEmpty && <Table answer={byModel.value} />}
    </section>
  );
}

function Table({ answer }: { answer: LatencyAnswer }): ComponentChildren {
  const rows: [string, Latency][] = answer.groups.map((group) => [group.by["model"] ?? "unknown", group]);
  if (rows.length > 1) rows.push(["all", answer.total]);
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Percentiles by model">
      <table>
        <thead>
          <tr>
            <th>Model</th><th>Calls</th>
            {KINDS.flatMap(([kind]) => OF.map((of) => <th key={kind + of}>{kind === "total_seconds" ? "Call" : "First token"} {of}</th>))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, latency]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{latency.calls.toLocaleString("en")}</td>
              {KINDS.flatMap(([kind]) => OF.map((of) => <td key={kind + of} class="number">{shown(latency[kind], of)}</td>))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const shown = (percentiles: Percentiles | null, of: (typeof OF)[number]) => (percentiles ? duration(percentiles[of]) : "");
