import { describe, expect, it } from "vitest";
import type { Chunk } from "../../src/api/types";
import { stretches } from "../../src/parts/documentText";

const TEXT = "Grüner Tee 🍵 wird mit 80 Grad gebrüht. Kaffee mit 95 Grad.";
const bytes = new TextEncoder().encode(TEXT);
const decoder = new TextDecoder();

function chunk(start: number, end: number): Chunk {
  const text = decoder.decode(bytes.subarray(start, end));
  return { id: `${start}`, dataset: "", document: "", ordinal: 0, text, span: { start, end }, headings: [], places: [], tokens: 0 };
}

describe("a document's text", () => {
  it("is put together from chunks that overlap, with exactly the span marked", () => {
    const quote = "80 Grad gebrüht";
    const start = new TextEncoder().encode(TEXT.slice(0, TEXT.indexOf(quote))).length;
    const span = { start, end: start + new TextEncoder().encode(quote).length };
    for (const chunks of [
      [chunk(0, bytes.length)],
      [chunk(0, 34), chunk(24, bytes.length)],
      [chunk(24, bytes.length), chunk(0, 34), chunk(30, 34)],
    ]) {
      const found = stretches(chunks, span);
      expect(found.map(({ text }) => text).join("")).toBe(TEXT);
      expect(found.filter(({ marked }) => marked).map(({ text }) => text).join("")).toBe(quote);
    }
  });

  it("has what its owner wrote in place of what was there", () => {
    const written: Chunk = { ...chunk(14, 34), kind: "written", text: "kocht." };
    const found = stretches([chunk(0, 14), written, chunk(34, bytes.length)], { start: 20, end: 22 });
    expect(found.map(({ text }) => text)[1]).toBe("kocht.");
    expect(found.map(({ marked }) => marked)).toEqual([false, true, false]);
    expect(stretches([{ ...written, span: { start: 0, end: 0 } }], null)).toEqual([]);
  });

  it("tells where something is missing", () => {
    expect(stretches([chunk(0, 6), chunk(30, 40)], null).map(({ gap }) => gap)).toEqual([false, true]);
  });
});
