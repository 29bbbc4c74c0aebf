// A document's chunks: read, edited, taken out of searches, added, deleted.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, post, remove, told } from "../api/client";
import type { Chunk, Document } from "../api/types";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { ChunkForm } from "./ChunkForm";

const PAGE = 50;

/** What is searched, and so can be edited. */
const isSearched = ({ kind }: Chunk) => kind !== "parent" && kind !== "contents";

export function Chunks({ document, onChanged }: { document: Document; onChanged: () => void }): ComponentChildren {
  const address = `/api/v2/documents/${part(document.id)}/chunks`;
  const [from, setFrom] = useState(0);
  const [edited, setEdited] = useState<string | null>(null);
  const [state, setState] = useState("");
  const [failed, setFailed] = useState("");
  const [before, setBefore] = useState<number[]>([]);
  const { value, problem, again } = useLoaded<{ chunks: Chunk[]; next: number | null }>(`${address}?from=${from}&limit=${PAGE}`);
  const chunks = value?.chunks ?? [];
  const next = value?.next ?? null;
  const go = (from: number, before: number[]) => {
    setFrom(from);
    setBefore(before);
  };
  const act = async (work: Promise<unknown>, done: string) => {
    try {
      await work;
      setFailed("");
      setState(done);
      setEdited(null);
      again();
      onChanged();
    } catch (error) {
      setFailed(told(error));
    }
  };
  const change = (chunk: Chunk, said: object, done: string) => act(post(`${address}/${part(chunk.id)}`, said, "PATCH"), done);
  return (
    <>
      <p class="note">What is changed here is so until the document is ingested again.</p>
      <Problem text={problem || failed} />
      <p role="status" class="note">{state}</p>
      {edited === NEW ? (
        <ChunkForm name="New chunk" onSave={(said) => act(post(address, said), "Added after the last chunk.")} onLeave={() => setEdited(null)} />
      ) : (
        <button type="button" onClick={() => setEdited(NEW)}>Add a chunk</button>
      )}
      <ol class="chunks">
        {chunks.map((chunk) => {
          const number = chunk.ordinal + 1;
          if (chunk.id === edited) {
            return (
              <li key={chunk.id} value={number}>
                <ChunkForm
                  name={`Chunk ${number}`}
                  chunk={chunk}
                  onSave={(said) => change(chunk, said, `Chunk ${number} is saved.`)}
                  onLeave={() => setEdited(null)}
                />
              </li>
            );
          }
          return (
            <li key={chunk.id} value={number} class={chunk.disabled ? "disabled" : ""}>
              <About chunk={chunk} />
              <div class="plain">{chunk.text}</div>
              {chunk.keywords && <p class="note">Keywords: {chunk.keywords.join(", ")}</p>}
              {chunk.questions && <p class="note">Questions: {chunk.questions.join(" ")}</p>}
              {isSearched(chunk) && (
                <div class="row tight" role="group" aria-label={`Chunk ${number}`}>
                  <button type="button" class="quiet" onClick={() => setEdited(chunk.id)}>Edit</button>
                  <button
                    type="button"
                    class="quiet"
                    onClick={() => void change(chunk, { enabled: chunk.disabled === true }, `Chunk ${number} is ${chunk.disabled ? "searched again" : "not searched any more"}.`)}
                  >
                    {chunk.disabled ? "Enable" : "Disable"}
                  </button>
                  <button
                    type="button"
                    class="quiet"
                    onClick={() => confirm(`Delete chunk ${number}?`) && void act(remove(`${address}/${part(chunk.id)}`), `Chunk ${number} is deleted.`)}
                  >
                    Delete
                  </button>
                </div>
              )}
            </li>
          );
        })}
      </ol>
      <div class="row">
        <button type="button" disabled={before.length === 0} onClick={() => go(before.at(-1) ?? 0, before.slice(0, -1))}>Earlier chunks</button>
        <button type="button" disabled={next === null} onClick={() => go(next ?? 0, [...before, from])}>Later chunks</button>
      </div>
    </>
  );
}

/** In place of an id: no chunk yet. */
const NEW = "new";

function About({ chunk }: { chunk: Chunk }): ComponentChildren {
  const about = [
    chunk.kind ?? "passage",
    chunk.headings.join(" › "),
    `${chunk.tokens} tokens`,
    `bytes ${chunk.span.start}–${chunk.span.end}`,
    chunk.disabled ? "disabled: searches leave it out" : "",
  ];
  return <p class="note">{about.filter(Boolean).join(" · ")}</p>;
}
