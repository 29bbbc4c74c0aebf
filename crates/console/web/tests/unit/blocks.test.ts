import { describe, expect, it } from "vitest";
import { Blocks, type Block } from "../../src/markdown/blocks";

const TEXTS = {
  prose: "# Title\n\nFirst paragraph\nwith two lines.\r\n\r\nSecond.\n\n- a\n\n- b\n  - c\n\n\n1. x\n2. y\n\n> quote\n\nEnd",
  code: "Before\n\n```rust\nfn main() {\n\n}\n```\n\nAfter\n\n    indented\n\n\tand\ttabs\n\nmore",
  table: "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n<div>\n\nhtml\n\n</div>\n\nlast",
  "long code": "```js\n" + "let x = 1;\n".repeat(3000) + "```\n\nafter",
  "one long line": "word ".repeat(8000),
  "no space at all": "x".repeat(30_000),
  "many paragraphs": "A sentence of some words.\n\n".repeat(2000),
};

/** All blocks of a text that came in pieces of this size. */
function cut(text: string, size: number): Block[] {
  const blocks = new Blocks();
  for (let at = size; at < text.length; at += size) blocks.advance(text.slice(0, at), false);
  let last = blocks.advance(text, true);
  for (let steps = 0; blocks.isBehind && steps < 10_000; steps++) last = blocks.advance(text, true);
  expect(blocks.isBehind).toBe(false);
  return last ? [...blocks.settled, last] : [...blocks.settled];
}

describe("blocks of an answer", () => {
  it.each(Object.entries(TEXTS))("hold all of it in order: %s", (_, text) => {
    for (const size of [7, 64, 5000, text.length]) {
      if (text.length / size > 2500) continue;
      const blocks = cut(text, size);
      let at = 0;
      for (const block of blocks) {
        expect(text.slice(at, block.start).trim(), `gap before ${block.start}`).toBe("");
        expect(block.end).toBeGreaterThan(block.start);
        expect(block.source.endsWith(text.slice(block.start, block.end))).toBe(true);
        at = block.end;
      }
      expect(text.slice(at).trim()).toBe("");
    }
  });

  it("keep long code code", () => {
    const blocks = cut(TEXTS["long code"], 500);
    expect(blocks.length).toBeGreaterThan(3);
    for (const block of blocks.slice(0, -1)) expect(block.source.startsWith("```js\n")).toBe(true);
    expect(blocks.at(-1)?.source.trim()).toBe("after");
  });

  it("are never long, so that no step is", () => {
    for (const text of Object.values(TEXTS)) {
      for (const { source } of cut(text, 997)) expect(source.length).toBeLessThanOrEqual(6_100);
    }
  });
});
