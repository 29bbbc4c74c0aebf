// How a dataset's documents are cut and ranked.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, post, told } from "../api/client";
import type { Dataset } from "../api/types";
import { Problem } from "../parts/Problem";

const METHODS = ["naive", "qa", "table", "laws", "book", "paper", "manual", "presentation", "one", "picture", "email", "tag"];

export function DatasetSettingsForm({ dataset, onSaved }: { dataset: Dataset; onSaved: () => void }): ComponentChildren {
  const { chunking } = dataset.settings;
  const [method, setMethod] = useState(chunking.method);
  const [tokens, setTokens] = useState(chunking.max_tokens);
  const [overlap, setOverlap] = useState(chunking.overlap_tokens);
  const [rank, setRank] = useState(dataset.settings.page_rank);
  const [state, setState] = useState("");
  const [problem, setProblem] = useState("");
  const save = async () => {
    const settings = {
      ...dataset.settings,
      chunking: { ...chunking, method, max_tokens: tokens, overlap_tokens: overlap },
      page_rank: rank,
    };
    try {
      await post(`/api/v2/datasets/${part(dataset.name)}`, { settings }, "PATCH");
      setState("Saved: documents ingested from now on are cut so.");
      setProblem("");
      onSaved();
    } catch (error) {
      setProblem(told(error));
    }
  };
  return (
    <details>
      <summary>Settings</summary>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label>
          Method
          <select value={method} onChange={(event) => setMethod(event.currentTarget.value)}>
            {(METHODS.includes(method) ? METHODS : [method, ...METHODS]).map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <label>Most tokens of a chunk <input type="number" min={16} value={tokens} onInput={(event) => setTokens(event.currentTarget.valueAsNumber)} /></label>
        <label>Tokens in common with the chunk before <input type="number" min={0} value={overlap} onInput={(event) => setOverlap(event.currentTarget.valueAsNumber)} /></label>
        <label>Page rank, 0 to 100 <input type="number" min={0} max={100} value={rank} onInput={(event) => setRank(event.currentTarget.valueAsNumber)} /></label>
        <Problem text={problem} />
        <p role="status" class="note">{state}</p>
        <button class="primary">Save</button>
      </form>
    </details>
  );
}
