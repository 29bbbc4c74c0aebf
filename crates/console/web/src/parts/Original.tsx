// A document around a passage: the page as it looks, where its file is a PDF, or its text.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Chunk, Place, Span } from "../api/types";
import { markedPages } from "../pdf/boxes";
import { isPdf } from "../pdf/original";
import { PdfPage } from "../pdf/PdfPage";
import { DocumentText } from "./DocumentText";

interface Props {
  document: string;
  name: string;
  /** Number of the chunk that is looked at. */
  near: number;
  span: Span | null;
  /** Where that chunk stands in its file. */
  places: Place[];
  fallback?: Chunk;
}

export function Original({ document, name, near, span, places, fallback }: Props): ComponentChildren {
  const [view, setView] = useState<"page" | "text">(isPdf(name) ? "page" : "text");
  const [problem, setProblem] = useState("");
  const marked = useMemo(() => markedPages(places, span), [places, span?.start, span?.end]);
  useEffect(() => {
    setView(isPdf(name) ? "page" : "text");
    setProblem("");
  }, [document]);
  return (
    <div class="original">
      {isPdf(name) && (
        <div class="row" role="group" aria-label="How it is shown">
          {(["page", "text"] as const).map((one) => (
            <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
              {one === "page" ? "Page" : "Text"}
            </button>
          ))}
        </div>
      )}
      {problem && <p class="note warning" role="status">The page cannot be drawn ({problem}); this is its text.</p>}
      {view === "page" ? (
        <PdfPage
          document={document}
          name={name}
          marked={marked}
          onFailure={(reason) => {
            setProblem(reason);
            setView("text");
          }}
        />
      ) : (
        <DocumentText document={document} near={near} span={span} {...(fallback ? { fallback } : {})} />
      )}
    </div>
  );
}
