import { describe, expect, it } from "vitest";
import { markedPages } from "../../src/pdf/boxes";

const box = (top: number) => ({ left: 10, top, right: 90, bottom: top + 10 });
const place = (start: number, end: number, page?: number, top?: number) => ({
  span: { start, end },
  ...(page === undefined ? {} : { page }),
  ...(top === undefined ? {} : { bounds: box(top) }),
});

describe("the pages of a passage", () => {
  const places = [place(0, 10, 2, 5), place(12, 20, 2, 40), place(21, 30, 3, 5), place(30, 40, 3)];

  it("are those of the blocks that the span touches", () => {
    expect(markedPages(places, { start: 9, end: 13 })).toEqual([{ page: 2, boxes: [box(5), box(40)] }]);
    expect(markedPages(places, { start: 15, end: 25 })).toEqual([
      { page: 2, boxes: [box(40)] },
      { page: 3, boxes: [box(5)] },
    ]);
    expect(markedPages(places, { start: 32, end: 33 })).toEqual([{ page: 3, boxes: [] }]);
  });

  it("are all, where the span is nowhere", () => {
    expect(markedPages(places, { start: 90, end: 99 }).map(({ page }) => page)).toEqual([2, 3]);
    expect(markedPages(places, null).map(({ boxes }) => boxes.length)).toEqual([2, 1]);
  });

  it("are none for formats without", () => {
    expect(markedPages([place(0, 10)], { start: 0, end: 5 })).toEqual([]);
  });
});
