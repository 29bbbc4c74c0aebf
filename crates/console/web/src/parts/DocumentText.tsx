// A document around a passage, with the passage marked.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, part, told } from "../api/client";
import type { Chunk, Span } from "../api/types";
import { stretches } from "./documentText";

interface Props {
  document: string;
  /** Number of the chunk that is looked at. */
  near: number;
  span: Span | null;
  /** What is shown when the document is not there any more. */
  fallback?: Chunk;
}

/** Chunks before and after, and loaded at once when there is more. */
const AROUND = 15;

export function DocumentText({ document, near, span, fallback }: Props): ComponentChildren {
  const [chunks, setChunks] = useState<Chunk[]>([]);
  const [range, setRange] = useState({ from: Math.max(0, near - AROUND), to: near + AROUND });
  const [isAll, setAll] = useState(false);
  const [problem, setProblem] = useState("");
  const marked = useRef<HTMLElement>(null);

  useEffect(() => setRange({ from: Math.max(0, near - AROUND), to: near + AROUND }), [document, near]);
  useEffect(() => {
    let left = false;
    const limit = range.to - range.from;
    get<{ chunks: Chunk[]; next: number | null }>(`/api/v2/documents/${part(document)}/chunks?from=${range.from}&limit=${Math.min(1000, limit)}`).then(
      (found) => {
        if (left) return;
        setChunks(found.chunks);
        setAll(found.next === null);
        setProblem("");
      },
      (error: unknown) => {
        if (left) return;
        setProblem(`${told(error)}; this is what the answer saw`);
        setChunks(fallback ? [fallback] : []);
      },
    );
    return () => {
      left = true;
    };
  }, [document, range]);
  useEffect(() => marked.current?.scrollIntoView({ block: "center" }), [chunks, span]);

  let first = true;
  return (
    <div class="document-text" tabIndex={0} role="region" aria-label="Text of the document">
      {problem && <p class="note warning">{problem}</p>}
      {range.from > 0 && (
        <button type="button" onClick={() => setRange({ ...range, from: Math.max(0, range.from - 50) })}>Earlier text</button>
      )}
      <div class="plain">
        {stretches(chunks, span).map((stretch, number) => {
          const gap = stretch.gap ? "\n\n" : "";
          if (!stretch.marked) return <span key={number}>{gap}{stretch.text}</span>;
          const own = first ? marked : null;
          first = false;
          return (
            <span key={number}>{gap}<mark ref={own}>{stretch.text}</mark></span>
          );
        })}
      </div>
      {!isAll && chunks.length > 0 && (
        <button type="button" onClick={() => setRange({ ...range, to: range.to + 50 })}>Later text</button>
      )}
    </div>
  );
}
