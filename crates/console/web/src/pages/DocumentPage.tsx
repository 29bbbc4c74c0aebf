// One document: its text with a passage marked, its chunks, its metadata.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { part, post, told } from "../api/client";
import type { Chunk, Document } from "../api/types";
import { DocumentText } from "../parts/DocumentText";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { route } from "../route";

const PAGE = 50;

export function DocumentPage({ id }: { id: string }): ComponentChildren {
  const { value: document, problem, again } = useLoaded<Document>(`/api/v2/documents/${part(id)}`);
  const { query } = route.value;
  const [view, setView] = useState<"text" | "chunks" | "metadata">("text");
  const from = Number(query.get("from") ?? NaN);
  const to = Number(query.get("to") ?? NaN);
  const span = from < to ? { start: from, end: to } : null;
  return (
    <div class="page">
      <Problem text={problem} />
      {document && (
        <>
          <h1>{document.name}</h1>
          <p class="note">
            {document.title && document.title !== document.name ? `${document.title} · ` : ""}
            {document.chunks} chunks{document.pages ? ` · ${document.pages} pages` : ""} · {document.status.state}
            {document.status.state === "failed" ? `: ${document.status.reason}` : ""}
          </p>
          <div class="row" role="group" aria-label="View">
            {(["text", "chunks", "metadata"] as const).map((name) => (
              <button key={name} type="button" aria-pressed={view === name} onClick={() => setView(name)}>
                {{ text: "Text", chunks: "Chunks", metadata: "Metadata" }[name]}
              </button>
            ))}
          </div>
          {view === "text" && <DocumentText document={id} near={Number(query.get("chunk") ?? 0)} span={span} />}
          {view === "chunks" && <Chunks id={id} />}
          {view === "metadata" && <MetadataForm document={document} onSaved={again} />}
        </>
      )}
    </div>
  );
}

function Chunks({ id }: { id: string }): ComponentChildren {
  const [from, setFrom] = useState(0);
  const { value, problem } = useLoaded<{ chunks: Chunk[] }>(`/api/v2/documents/${part(id)}/chunks?from=${from}&limit=${PAGE}`);
  return (
    <>
      <Problem text={problem} />
      <ol class="chunks" start={from + 1}>
        {value?.chunks.map((chunk) => (
          <li key={chunk.id}>
            <p class="note">
              {[chunk.kind ?? "passage", chunk.headings.join(" › "), `${chunk.tokens} tokens`, `bytes ${chunk.span.start}–${chunk.span.end}`]
                .filter(Boolean).join(" · ")}
            </p>
            <div class="plain">{chunk.text}</div>
            {chunk.keywords && <p class="note">Keywords: {chunk.keywords.join(", ")}</p>}
            {chunk.questions && <p class="note">Questions: {chunk.questions.join(" ")}</p>}
          </li>
        ))}
      </ol>
      <div class="row">
        <button type="button" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - PAGE))}>Earlier chunks</button>
        <button type="button" disabled={(value?.chunks.length ?? 0) < PAGE} onClick={() => setFrom(from + PAGE)}>Later chunks</button>
      </div>
    </>
  );
}

function MetadataForm({ document, onSaved }: { document: Document; onSaved: () => void }): ComponentChildren {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [state, setState] = useState("");
  useEffect(() => setText(JSON.stringify(document.metadata, null, 2)), [document]);
  const save = async () => {
    try {
      const metadata: unknown = JSON.parse(text);
      await post(`/api/v2/documents/${part(document.id)}`, { metadata }, "PATCH");
      setProblem("");
      setState("Saved.");
      onSaved();
    } catch (error) {
      setProblem(error instanceof SyntaxError ? `This is no JSON: ${error.message}` : told(error));
    }
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label>Metadata as JSON; filters see it at once <textarea rows={10} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
      <Problem text={problem} />
      <p role="status" class="note">{state}</p>
      <button class="primary">Save</button>
    </form>
  );
}
