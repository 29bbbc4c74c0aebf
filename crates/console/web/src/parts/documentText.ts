// A document's text, put together from its chunks.

import type { Chunk, Span } from "../api/types";

export interface Stretch {
  text: string;
  marked: boolean;
  /** Something that no chunk holds lies before it. */
  gap: boolean;
}

/** The text of these chunks in order, with what lies in the span marked. Spans count bytes of UTF-8; chunks overlap. */
export function stretches(chunks: Chunk[], span: Span | null): Stretch[] {
  const verbatim = chunks.filter(({ kind }) => !kind || kind === "passage" || kind === "parent");
  const sorted = [...verbatim].sort((one, other) => one.span.start - other.span.start || other.span.end - one.span.end);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const found: Stretch[] = [];
  let at = sorted[0]?.span.start ?? 0;
  for (const chunk of sorted) {
    const bytes = encoder.encode(chunk.text);
    const gap = chunk.span.start > at;
    if (gap) at = chunk.span.start;
    const end = chunk.span.start + bytes.length;
    if (end <= at) continue;
    const cuts = [at, span?.start ?? at, span?.end ?? at, end].map((cut) => Math.min(Math.max(cut, at), end));
    cuts.sort((one, other) => one - other);
    for (let piece = 0; piece + 1 < cuts.length; piece++) {
      const [from = at, to = end] = [cuts[piece], cuts[piece + 1]];
      if (from === to) continue;
      const text = decoder.decode(bytes.subarray(from - chunk.span.start, to - chunk.span.start));
      const marked = span !== null && from >= span.start && to <= span.end;
      found.push({ text, marked, gap: gap && from === cuts[0] });
    }
    at = end;
  }
  return found;
}
