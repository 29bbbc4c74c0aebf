// How calls ended: what failed at which provider over time, and all outcomes.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { UsageAnswer } from "../../api/types";
import { useLoaded } from "../../parts/load";
import { Plot } from "../../parts/Plot";
import { Problem } from "../../parts/Problem";
import { series } from "./series";

export function ErrorsSection({ from, step }: { from: string; step: string }): ComponentChildren {
  const overTime = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=${step},provider,outcome&from=${from}`);
  const all = useLoaded<UsageAnswer>(`/api/v2/usage?group_by=provider,outcome,error&from=${from}`);
  const plots = useMemo(() => {
    const groups = overTime.value?.groups ?? [];
    const failed = groups.filter(({ by }) => by["outcome"] === "failed" || by["outcome"] === "refused");
    // Times without failures are times of the plot, too.
    const times = groups.map((group) => ({ ...group, calls: failed.includes(group) ? group.calls : 0 }));
    const summed = new Map<string, (typeof times)[number]>();
    for (const group of times) {
      const key = `${group.by[step]} ${group.by["provider"]}`;
      const known = summed.get(key);
      summed.set(key, known ? { ...known, calls: known.calls + group.calls } : group);
    }
    return series([...summed.values()], step, "provider", ({ calls }) => calls);
  }, [overTime.value, step]);
  return (
    <section aria-label="How calls ended">
      <h2>How calls ended</h2>
      <Problem text={overTime.problem || all.problem} />
      {overTime.value && plots.times.length > 0 && (
        <div class="plots"><Plot name="Calls that failed or were refused" by="provider" from={Date.parse(from) / 1000} {...plots} /></div>
      )}
      {all.value && (
        <div class="wide" tabIndex={0} role="region" aria-label="Outcomes">
          <table>
            <thead><tr><th>Provider</th><th>Outcome</th><th>Error</th><th>Calls</th></tr></thead>
            <tbody>
              {all.value.groups.map(({ by, calls }) => (
                <tr key={JSON.stringify(by)}>
                  <td>{by["provider"] ?? ""}</td><td>{by["outcome"] ?? ""}</td><td>{by["error"] ?? ""}</td>
                  <td class="number">{calls.toLocaleString("en")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
