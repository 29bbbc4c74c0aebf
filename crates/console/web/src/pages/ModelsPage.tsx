// What can be asked, where it comes from, and whether the server is ready.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Model } from "../api/types";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { Providers } from "./Providers";

export function ModelsPage(): ComponentChildren {
  const models = useLoaded<{ data: Model[] }>("/v1/models");
  const ready = useLoaded<{ ready: boolean; missing: { name?: string }[] }>("/readyz");
  const [wanted, setWanted] = useState("");
  const found = models.value?.data.filter(({ id, kind }) => `${id} ${kind}`.includes(wanted.toLowerCase())) ?? [];
  return (
    <div class="page">
      <h1>Models</h1>
      <p role="status">{ready.value?.ready ? "The server is ready." : ready.problem ? `The server is not ready: ${ready.problem}` : ""}</p>
      <Problem text={models.problem} />
      <div class="fields"><label>Find <input type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} /></label></div>
      <div class="wide" tabIndex={0} role="region" aria-label="Models">
        <table>
          <thead>
            <tr><th>Model</th><th>Kind</th><th>Context</th><th>Output</th><th>Dimensions</th><th>Price per million tokens, in / out</th></tr>
          </thead>
          <tbody>
            {found.slice(0, 500).map((model) => (
              <tr key={`${model.kind} ${model.id}`}>
                <td>{model.id}{model.description && <div class="note">{model.description}</div>}</td>
                <td>{model.kind}</td>
                <td class="number">{model.limits?.context_tokens?.toLocaleString("en") ?? ""}</td>
                <td class="number">{model.limits?.output_tokens?.toLocaleString("en") ?? ""}</td>
                <td class="number">{model.limits?.dimensions ?? ""}</td>
                <td class="number">{price(model)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length > 500 && <p class="note">{found.length - 500} more: write a part of the name above.</p>}
      <Providers onChange={models.again} />
    </div>
  );
}

function price({ prices }: Model): string {
  const of = (name: string) => {
    const price = prices?.[name];
    return price === undefined ? "" : `$${(price * 1e6).toFixed(2)}`;
  };
  const [input, output] = [of("input"), of("output")];
  return input || output ? `${input} / ${output}` : "";
}
