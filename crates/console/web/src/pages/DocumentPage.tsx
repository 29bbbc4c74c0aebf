// One document: its pages or text with a passage marked, its chunks, what is known of it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, told } from "../api/client";
import type { Chunk, Document, Span } from "../api/types";
import { useLoaded } from "../parts/load";
import { Original } from "../parts/Original";
import { Problem } from "../parts/Problem";
import { download } from "../pdf/original";
import { route } from "../route";
import { Chunks } from "./Chunks";
import { DocumentForm } from "./DocumentForm";

const VIEWS = { text: "Document", chunks: "Chunks", metadata: "Metadata" } as const;
type View = keyof typeof VIEWS;

export function DocumentPage({ id }: { id: string }): ComponentChildren {
  const { value: document, problem, again } = useLoaded<Document>(`/api/v2/documents/${part(id)}`);
  const { query } = route.value;
  const [view, setView] = useState<View>("text");
  const [failed, setFailed] = useState("");
  const from = Number(query.get("from") ?? NaN);
  const to = Number(query.get("to") ?? NaN);
  const span = from < to ? { start: from, end: to } : null;
  return (
    <div class="page">
      <Problem text={problem || failed} />
      {document && (
        <>
          <h1>{document.name}</h1>
          <p class="note">
            {document.title && document.title !== document.name ? `${document.title} · ` : ""}
            {document.chunks} chunks{document.pages ? ` · ${document.pages} pages` : ""} · {document.status.state}
            {document.status.state === "failed" ? `: ${document.status.reason}` : ""}
            {document.disabled ? " · not searched" : ""}
          </p>
          <div class="row" role="group" aria-label="View">
            {(Object.keys(VIEWS) as View[]).map((name) => (
              <button key={name} type="button" aria-pressed={view === name} onClick={() => setView(name)}>{VIEWS[name]}</button>
            ))}
            <button
              type="button"
              onClick={() => void download(id, document.name).then(() => setFailed(""), (error: unknown) => setFailed(told(error)))}
            >
              Download the file
            </button>
          </div>
          {view === "text" && <Around document={document} near={Number(query.get("chunk") ?? 0)} span={span} />}
          {view === "chunks" && <Chunks document={document} onChanged={again} />}
          {view === "metadata" && <DocumentForm document={document} onSaved={again} />}
        </>
      )}
    </div>
  );
}

/** The document around a chunk, whose places in the file are asked for first. */
function Around({ document, near, span }: { document: Document; near: number; span: Span | null }): ComponentChildren {
  const { value, problem } = useLoaded<{ chunks: Chunk[] }>(`/api/v2/documents/${part(document.id)}/chunks?from=${near}&limit=1`);
  if (!value) return <Problem text={problem} />;
  const places = span ? (value.chunks[0]?.places ?? []) : [];
  return <Original document={document.id} name={document.name} near={near} span={span} places={places} />;
}
