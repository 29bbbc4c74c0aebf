// Lines over time. The library is loaded with the first plot.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  name: string;
  /** What the lines differ in. */
  by: string;
  times: number[];
  names: string[];
  lines: (number | null)[][];
  /** Seconds since the epoch from which on there could be something. */
  from: number;
}

const COLOURS = ["#2563eb", "#c2410c", "#15803d", "#9333ea", "#be123c", "#0e7490", "#a16207", "#4d7c0f"];
const HEIGHT = 180;

export function Plot({ name, by, times, names, lines, from }: Props): ComponentChildren {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let stop = () => {};
    let left = false;
    void import("./plotting").then(({ UPlot }) => {
      const element = frame.current;
      if (left || !element) return;
      const text = getComputedStyle(element).color;
      const axis = { stroke: text, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
      const plot = new UPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          series: [{}, ...names.map((label, number) => line(label, COLOURS[number % COLOURS.length] ?? "#2563eb"))],
          axes: [axis, { ...axis, size: 70 }],
          scales: { x: { range: [Math.min(from, times[0] ?? from), Date.now() / 1000] }, y: { range: (_: unknown, __: number, most: number) => [0, most > 0 ? most * 1.1 : 1] } },
          legend: { live: false },
        },
        [times, ...lines],
        element,
      );
      const watcher = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
      watcher.observe(element);
      stop = () => {
        watcher.disconnect();
        plot.destroy();
      };
    });
    return () => {
      left = true;
      stop();
    };
  }, [times, names, lines, from]);
  return (
    <figure class="plot">
      <figcaption>{name}</figcaption>
      <div ref={frame} role="img" aria-label={`${name} over time by ${by}; the table below has the figures`} />
    </figure>
  );
}

function line(label: string, stroke: string) {
  return { label, stroke, width: 2, points: { show: true, size: 6 } };
}
