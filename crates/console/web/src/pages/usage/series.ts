// Groups by time and something else, as lines over the same times.

interface Grouped {
  by: Record<string, string | null>;
}

export interface Series {
  times: number[];
  names: string[];
  lines: (number | null)[][];
}

/** Seconds since the epoch; a day is its beginning in UTC. */
export function time(group: Grouped, step: string): number {
  return Date.parse(group.by[step] ?? "") / 1000;
}

const timesOf = (groups: Grouped[], step: string) =>
  [...new Set(groups.map((group) => time(group, step)))].filter(Number.isFinite).sort((one, other) => one - other);

/** A line for each value of `name`; where it has nothing, it has `none`. */
export function series<G extends Grouped>(
  groups: G[],
  step: string,
  name: string,
  measure: (group: G) => number | null,
  none: number | null = 0,
): Series {
  const times = timesOf(groups, step);
  const called = ({ by }: G) => by[name] ?? "unknown";
  const names = [...new Set(groups.map(called))].sort();
  const lines = names.map((one) => {
    const own = new Map(groups.filter((group) => called(group) === one).map((group) => [time(group, step), measure(group)]));
    return times.map((time) => own.get(time) ?? none);
  });
  return { times, names, lines };
}

/** A line for each measure. */
export function measures<G extends Grouped>(groups: G[], step: string, of: [string, (group: G) => number | null][]): Series {
  const times = timesOf(groups, step);
  const at = new Map(groups.map((group) => [time(group, step), group]));
  const lines = of.map(([, measure]) =>
    times.map((time) => {
      const group = at.get(time);
      return group ? measure(group) : null;
    }),
  );
  return { times, names: of.map(([name]) => name), lines };
}
