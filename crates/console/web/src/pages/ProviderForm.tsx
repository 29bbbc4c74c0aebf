// A provider of one's own: its address, and its key, which is never shown again.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, post, told } from "../api/client";
import type { Provider } from "../api/types";
import { Problem } from "../parts/Problem";

const DIALECTS = ["openai", "anthropic", "gemini", "cohere", "ollama"];

interface Props {
  /** The one to change; null for a new one. */
  provider: Provider | null;
  /** Names whose dialect and address the server knows. */
  known: string[];
  onSaved: () => void;
  onCancel: () => void;
}

export function ProviderForm({ provider, known, onSaved, onCancel }: Props): ComponentChildren {
  const [name, setName] = useState(provider?.name ?? "");
  const [like, setLike] = useState(provider?.like ?? "");
  const [dialect, setDialect] = useState(provider?.dialect ?? "");
  const [address, setAddress] = useState(provider?.base_url ?? "");
  const [key, setKey] = useState("");
  const [model, setModel] = useState(provider?.default_model ?? "");
  const [problem, setProblem] = useState("");
  const save = async () => {
    const filled = { like, dialect, base_url: address.trim(), api_key: key.trim(), default_model: model.trim() };
    const given = Object.fromEntries(Object.entries(filled).filter(([, value]) => value !== ""));
    try {
      const variables = provider?.variables ?? {};
      await post(`/api/v2/providers/${part(name.trim())}`, { ...given, variables }, "PUT");
      onSaved();
      for (const clear of [setName, setLike, setDialect, setAddress, setKey, setModel, setProblem]) clear("");
    } catch (error) {
      setProblem(told(error));
    }
  };
  return (
    <form
      class="fields"
      aria-label={provider ? `Provider ${provider.name}` : "New provider"}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h3>{provider ? `Change ${provider.name}` : "Add a provider"}</h3>
      {!provider && <label>Name <input value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>}
      <label>
        Like{" "}
        <select value={like} onChange={(event) => setLike(event.currentTarget.value)}>
          <option value="">none that is known</option>
          {known.map((known) => <option key={known}>{known}</option>)}
        </select>
      </label>
      <label>
        Dialect{" "}
        <select value={dialect} onChange={(event) => setDialect(event.currentTarget.value)}>
          <option value="">as it is known</option>
          {DIALECTS.map((dialect) => <option key={dialect}>{dialect}</option>)}
        </select>
      </label>
      <label>Base URL <input type="url" value={address} onInput={(event) => setAddress(event.currentTarget.value)} /></label>
      <label>
        API key{provider?.key ? " (left empty, it stays)" : ""}{" "}
        <input type="password" autoComplete="off" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
      </label>
      <label>Default model <input value={model} onInput={(event) => setModel(event.currentTarget.value)} /></label>
      <Problem text={problem} />
      <p class="row">
        <button class="primary" disabled={!name.trim()}>Save</button>
        {provider && <button type="button" onClick={onCancel}>Leave it</button>}
      </p>
    </form>
  );
}
