import { describe, expect, it } from "vitest";
import { EventDecoder, type ServerEvent } from "../../src/stream/sse";

const STREAM =
  "\uFEFF: a comment\n\nid: 1\nevent: started\ndata: {\"type\":\"started\"}\n\n" +
  "id: 2\r\nevent: delta\r\ndata: grün 🦀\r\ndata: second line\r\n\r\n" +
  "data:no space\r\revent: nothing\n\nid: 3\ndata\n\ndata: never finished";

function decoded(pieces: Uint8Array[]): ServerEvent[] {
  const decoder = new EventDecoder();
  return pieces.flatMap((piece) => decoder.push(piece));
}

const EXPECTED: ServerEvent[] = [
  { id: "1", name: "started", data: '{"type":"started"}' },
  { id: "2", name: "delta", data: "grün 🦀\nsecond line" },
  { id: "2", name: "message", data: "no space" },
  { id: "3", name: "message", data: "" },
];

describe("server-sent events", () => {
  const bytes = new TextEncoder().encode(STREAM);

  it("are the same wherever the bytes are cut in two", () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(decoded([bytes.subarray(0, cut), bytes.subarray(cut)]), `cut at ${cut}`).toEqual(EXPECTED);
    }
  });

  it("are the same when the bytes come in pieces of any size", () => {
    for (let size = 1; size <= 17; size++) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      expect(decoded(pieces), `pieces of ${size}`).toEqual(EXPECTED);
    }
  });
});
