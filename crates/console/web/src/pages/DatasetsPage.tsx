// All datasets, and making one.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { post, told } from "../api/client";
import type { Dataset } from "../api/types";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { go, to } from "../route";

export function DatasetsPage(): ComponentChildren {
  const { value, problem } = useLoaded<{ datasets: Dataset[] }>("/api/v2/datasets");
  const [name, setName] = useState("");
  const [failed, setFailed] = useState("");
  const create = async () => {
    try {
      await post<Dataset>("/api/v2/datasets", { name: name.trim() });
      go(to("datasets", name.trim()));
    } catch (error) {
      setFailed(told(error));
    }
  };
  return (
    <div class="page">
      <h1>Datasets</h1>
      <Problem text={problem || failed} />
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <label>Name of a new dataset <input value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <button class="primary" disabled={!name.trim()}>Create</button>
      </form>
      <ul class="cards">
        {value?.datasets.map((dataset) => (
          <li key={dataset.id}>
            <a href={to("datasets", dataset.name)}>{dataset.name}</a>
            <p class="note">
              {dataset.embedding.model}, {dataset.embedding.dimensions} dimensions · method {dataset.settings.chunking.method},{" "}
              {dataset.settings.chunking.max_tokens} tokens
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}
