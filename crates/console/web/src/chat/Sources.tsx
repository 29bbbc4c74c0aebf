// The passages of an answer, and the document around the one that is looked at.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Citation, Passage } from "../api/types";
import { Original } from "../parts/Original";
import { to } from "../route";
import * as conversation from "./conversation";

/** Characters of a quote that are shown above its document. */
const MOST_QUOTE = 600;

export interface ShownSource {
  turn: string;
  citation: Citation | null;
}

export const shownSource = signal<ShownSource | null>(null);

export function showSource(turn: string, citation: Citation | null): void {
  shownSource.value = { turn, citation };
}

export function Sources({ turn: id, citation }: ShownSource): ComponentChildren {
  const panel = useRef<HTMLElement>(null);
  const turn = conversation.turns.value.find((turn) => turn.id === id);
  useEffect(() => {
    panel.current?.focus();
    const typed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !conversation.isRunning.value) shownSource.value = null;
    };
    addEventListener("keydown", typed);
    return () => removeEventListener("keydown", typed);
  }, [id, citation]);
  if (!turn) return null;
  const passage = citation && turn.passages[citation.passage];
  return (
    <aside class="sources" aria-label="Sources" tabIndex={-1} ref={panel}>
      <div class="bar">
        {passage && (
          <button type="button" class="quiet" onClick={() => showSource(id, null)}>‹ All sources</button>
        )}
        <h2>{passage ? place(passage, citation.page) : "Sources"}</h2>
        <button type="button" class="quiet" aria-label="Close sources" onClick={() => (shownSource.value = null)}>×</button>
      </div>
      {passage ? (
        <>
          <p class="note">
            Passage {citation.passage + 1} · score {passage.score.toFixed(2)}
            {citation.support > 0 ? ` · ${Math.round(citation.support * 100)} % of the claim's wording` : ""} ·{" "}
            <a href={`${to("documents", passage.chunk.document)}?from=${citation.source.start}&to=${citation.source.end}&chunk=${passage.chunk.ordinal}`}>
              Open the document
            </a>
          </p>
          {citation.quote && <blockquote class="quote">{citation.quote.slice(0, MOST_QUOTE)}</blockquote>}
          {!isVerbatim(passage) && <Written passage={passage} />}
          <Original
            document={passage.chunk.document}
            name={passage.document_name}
            near={passage.chunk.ordinal}
            span={citation.source}
            places={passage.chunk.places}
            fallback={passage.chunk}
          />
        </>
      ) : (
        <ol class="passages">
          {turn.passages.map((passage, number) => (
            <li key={passage.chunk.id} class={turn.citations.some((it) => it.passage === number) ? "cited" : ""}>
              <button type="button" class="link" onClick={() => showSource(id, whole(passage, number))}>
                {number + 1}. {place(passage)}
              </button>
              <p class="note">{passage.chunk.text.slice(0, 240)}</p>
            </li>
          ))}
        </ol>
      )}
    </aside>
  );
}

/** What a person or a model wrote, which is nowhere in the document's text. */
function Written({ passage }: { passage: Passage }): ComponentChildren {
  const by = passage.chunk.kind === "written" ? "This was written by hand" : "A model wrote this";
  return (
    <div class="written">
      <p class="note">{by}; below is what it is about.</p>
      <div class="plain" tabIndex={0} role="group" aria-label="What was written">{passage.chunk.text}</div>
    </div>
  );
}

function isVerbatim({ chunk: { kind } }: Passage): boolean {
  return kind === undefined || kind === "passage" || kind === "parent";
}

/** A passage as if all of it were cited. */
function whole(passage: Passage, number: number): Citation {
  return { passage: number, answer: { start: 0, end: 0 }, quote: "", source: passage.chunk.span, support: 0 };
}

export function place(passage: Passage, page?: number): string {
  const at = page ?? passage.chunk.places.find(({ page }) => page)?.page;
  const heading = passage.chunk.headings.join(" › ");
  return [passage.document_name, at ? `page ${at}` : heading].filter(Boolean).join(", ");
}
