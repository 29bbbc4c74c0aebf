// The answers that were asked for last, each with the way to how it came about.

import type { ComponentChildren } from "preact";
import type { LatestTurn } from "../../api/types";
import { useLoaded } from "../../parts/load";
import { Problem } from "../../parts/Problem";
import { to } from "../../route";
import { duration } from "../Waterfall";

export function LatestAnswers(): ComponentChildren {
  const { value, problem } = useLoaded<{ turns: LatestTurn[] }>("/api/v2/turns?limit=20");
  return (
    <section aria-label="Latest answers">
      <h2>Latest answers</h2>
      <Problem text={problem} />
      {value?.turns.length === 0 && <p class="note">Nothing was asked yet.</p>}
      {value && value.turns.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Answers">
          <table>
            <thead><tr><th>Question</th><th>Model</th><th>State</th><th>Asked</th><th>Took</th><th>Cost</th></tr></thead>
            <tbody>
              {value.turns.map((turn) => (
                <tr key={turn.id}>
                  <td><a href={to("turns", turn.id)}>{turn.question.slice(0, 120)}</a></td>
                  <td>{turn.model}</td>
                  <td>{turn.status}</td>
                  <td>{new Date(turn.asked_at).toLocaleString()}</td>
                  <td class="number">{turn.seconds === null ? "" : duration(turn.seconds)}</td>
                  <td class="number">{turn.cost > 0 ? `$${turn.cost.toFixed(4)}` : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
