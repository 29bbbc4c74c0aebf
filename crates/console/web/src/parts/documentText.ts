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
  const isShown = ({ kind, span }: Chunk) =>
    !kind || kind === "passage" || kind === "parent" || (kind === "written" && span.start < span.end);
  const verbatim = chunks.filter(isShown);
  const sorted = [...verbatim].sort((one, other) => one.span.start - other.span.start || other.span.end - one.span.end);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const found: Stretch[] = [];
  let at = sorted[0]?.span.start ?? 0;
  for (const chunk of sorted) {
    const gap = chunk.span.start > at;
    if (chunk.kind === "written") {
      // What an owner wrote stands in place of what it is about, whole.
      if (chunk.span.end <= at) continue;
      const marked = span !== null && span.start < chunk.span.end && span.end > chunk.span.start;
      found.push({ text: chunk.text, marked, gap });
      at = chunk.span.end;
      continue;
    }
    const bytes = encoder.encode(chunk.text);
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
