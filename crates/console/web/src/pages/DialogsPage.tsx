// Dialogs: which datasets, which model, which prompt; and trying one out.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { part, post, remove, told } from "../api/client";
import type { Dataset, Dialog, DialogSettings, Model } from "../api/types";
import * as conversation from "../chat/conversation";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { go, to } from "../route";

export function DialogsPage({ name }: { name: string | undefined }): ComponentChildren {
  const { value, problem, again } = useLoaded<{ dialogs: Dialog[] }>("/api/v2/dialogs");
  const [created, setCreated] = useState("");
  const dialog = value?.dialogs.find((dialog) => dialog.name === name);
  const blank = useMemo(() => ({ name: name ?? "", implied: false, settings: { datasets: [] } }), [name]);
  const isNew = name !== undefined && value !== null && !dialog;
  return (
    <div class="page">
      <h1>Dialogs</h1>
      <Problem text={problem} />
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          go(to("dialogs", created.trim()));
        }}
      >
        <label>Name of a new dialog <input value={created} onInput={(event) => setCreated(event.currentTarget.value)} /></label>
        <button class="primary" disabled={!created.trim()}>Set up</button>
      </form>
      <ul class="cards">
        {value?.dialogs.map((dialog) => (
          <li key={dialog.name} class={dialog.name === name ? "current" : ""}>
            <a href={to("dialogs", dialog.name)} aria-current={dialog.name === name ? "page" : undefined}>{dialog.name}</a>
            <p class="note">
              {dialog.implied ? "made of the dataset of this name" : (dialog.settings.description ?? "")}
            </p>
          </li>
        ))}
      </ul>
      {name !== undefined && (dialog ?? isNew) && (
        <DialogForm key={name} name={name} dialog={dialog ?? blank} onSaved={again} />
      )}
    </div>
  );
}

const TEXTS: [keyof DialogSettings & string, string, number][] = [
  ["description", "Description", 1],
  ["prologue", "Greeting", 2],
  ["instructions", "Instructions to the model", 3],
  ["prompt", "System prompt of its own (Jinja; empty: the usual one)", 6],
];
const NUMBERS: [string, string, number, number, number][] = [
  ["top", "Passages", 1, 256, 1],
  ["threshold", "Threshold", 0, 1, 0.01],
  ["vector_weight", "Vector weight", 0, 1, 0.01],
  ["max_output_tokens", "Most tokens of an answer", 1, 1_000_000, 1],
];

function DialogForm({ name, dialog, onSaved }: { name: string; dialog: Dialog; onSaved: () => void }): ComponentChildren {
  const [settings, setSettings] = useState<DialogSettings>(dialog.settings);
  const [problem, setProblem] = useState("");
  const [state, setState] = useState("");
  const datasets = useLoaded<{ datasets: Dataset[] }>("/api/v2/datasets");
  const models = useLoaded<{ data: Model[] }>("/v1/models");
  useEffect(() => setSettings(dialog.settings), [dialog]);
  const set = (field: string, value: unknown) => {
    const next: DialogSettings = { ...settings, [field]: value };
    // What is left out is as configured.
    if (value === "" || value === null || Number.isNaN(value)) delete next[field];
    setSettings(next);
  };
  const of = (kind: string) => models.value?.data.filter((model) => model.kind === kind) ?? [];
  const save = async () => {
    try {
      await post(`/api/v2/dialogs/${part(name)}`, settings, "PUT");
      setProblem("");
      setState("Saved.");
      onSaved();
    } catch (error) {
      setProblem(told(error));
    }
  };
  const tryOut = () => {
    conversation.dialog.value = name;
    go(to("chat"));
  };
  const drop = async () => {
    if (!confirm(`Delete the dialog “${name}”? Sessions with it stay.`)) return;
    await remove(`/api/v2/dialogs/${part(name)}`).then(
      () => {
        onSaved();
        go(to("dialogs"));
      },
      (error: unknown) => setProblem(told(error)),
    );
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h2>{name}</h2>
      <fieldset>
        <legend>Datasets (none: a plain chat)</legend>
        {datasets.value?.datasets.map((dataset) => (
          <label key={dataset.id} class="check">
            <input
              type="checkbox"
              checked={settings.datasets?.includes(dataset.name) ?? false}
              onChange={(event) => {
                const others = (settings.datasets ?? []).filter((other) => other !== dataset.name);
                set("datasets", event.currentTarget.checked ? [...others, dataset.name] : others);
              }}
            />
            {dataset.name}
          </label>
        ))}
      </fieldset>
      <Choice label="Model" value={settings.model ?? ""} models={of("chat")} onChange={(model) => set("model", model)} />
      <Choice label="Rerank" value={settings.rerank ?? ""} models={of("rerank")} onChange={(model) => set("rerank", model)} />
      {TEXTS.map(([field, label, rows]) => (
        <label key={field}>
          {label}
          <textarea rows={rows} value={String(settings[field] ?? "")} onInput={(event) => set(field, event.currentTarget.value)} />
        </label>
      ))}
      {NUMBERS.map(([field, label, min, max, step]) => (
        <label key={field}>
          {label}
          <input type="number" min={min} max={max} step={step} value={(settings[field] as number | undefined) ?? ""} placeholder="as configured" onInput={(event) => set(field, event.currentTarget.valueAsNumber)} />
        </label>
      ))}
      <Problem text={problem} />
      <p role="status" class="note">{state}</p>
      <div class="row">
        <button class="primary">Save</button>
        <button type="button" onClick={tryOut}>Try it out</button>
        {!dialog.implied && <button type="button" class="danger" onClick={() => void drop()}>Delete</button>}
      </div>
    </form>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  models: Model[];
  onChange: (model: string) => void;
}

function Choice({ label, value, models, onChange }: ChoiceProps): ComponentChildren {
  const names = models.map(({ id }) => id);
  const all = value && !names.includes(value) ? [value, ...names] : names;
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">as configured</option>
        {all.map((name) => <option key={name}>{name}</option>)}
      </select>
    </label>
  );
}
