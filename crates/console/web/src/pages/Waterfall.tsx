// Steps as bars: where one begins, and how long it is.

import type { ComponentChildren } from "preact";
import type { Step } from "../api/types";

interface Props {
  steps: Step[];
  /** Seconds of the whole, as far as it is known. */
  total: number;
  chosen: Step | null;
  onChoose: (step: Step | null) => void;
}

/** The least width of a bar, of 1,000. */
const LEAST = 4;

export function Waterfall({ steps, total, chosen, onChoose }: Props): ComponentChildren {
  const inOrder = [...steps].sort((one, other) => one.at - other.at);
  const end = Math.max(total, ...steps.map(({ at, seconds }) => at + seconds), 1e-6);
  return (
    <ol class="waterfall">
      {inOrder.map((step, number) => (
        <li key={number}>
          <button type="button" class="bar-row" aria-expanded={step === chosen} onClick={() => onChoose(step === chosen ? null : step)}>
            <span class="step-name">{step.name}</span>
            <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
              <rect
                class={step.failure ? "bar-failed" : "bar-done"}
                x={Math.min((step.at / end) * 1000, 1000 - LEAST)}
                width={Math.max(LEAST, (step.seconds / end) * 1000)}
                height={10}
              />
            </svg>
            <span class="step-time">
              {duration(step.seconds)} <span class="unseen">, begun after {duration(step.at)}{step.failure ? ", failed" : ""}</span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

export function duration(seconds: number): string {
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;
}
