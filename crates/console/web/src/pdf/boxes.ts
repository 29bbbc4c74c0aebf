// Where a passage stands on the pages of its file.

import type { Place, Span } from "../api/types";

/** In points from the page's upper left corner. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface MarkedPage {
  page: number;
  /** Empty where only the page is known. */
  boxes: Box[];
}

/** The pages that a span of a document stands on, in order, with the boxes of its blocks. All places, when none is in it. */
export function markedPages(places: Place[], span: Span | null): MarkedPage[] {
  const onPages = places.filter(({ page }) => page !== undefined);
  const within = onPages.filter((place) => span && place.span.start < span.end && place.span.end > span.start);
  const pages = new Map<number, Box[]>();
  for (const { page = 0, bounds } of within.length ? within : onPages) {
    const boxes = pages.get(page) ?? [];
    pages.set(page, boxes);
    if (bounds) boxes.push(bounds);
  }
  return [...pages].map(([page, boxes]) => ({ page, boxes })).sort((one, other) => one.page - other.page);
}
