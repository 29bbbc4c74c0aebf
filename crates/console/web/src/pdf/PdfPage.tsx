// A page of a PDF as it looks, with boxes around what was cited.

import type { PDFDocumentProxy } from "pdfjs-dist";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../api/client";
import type { MarkedPage } from "./boxes";
import { opened } from "./original";

interface Props {
  document: string;
  name: string;
  /** The pages that are looked at first. */
  marked: MarkedPage[];
  /** Told when it cannot be drawn. */
  onFailure: (reason: string) => void;
}

/** Pixels of a drawn page, at most. */
const MOST_PIXELS = 12_000_000;
const ZOOMS = [1, 1.5, 2, 3];

export function PdfPage({ document, name, marked, onFailure }: Props): ComponentChildren {
  const first = marked[0]?.page ?? 1;
  const [pdf, setPdf] = useState<PDFDocumentProxy | null>(null);
  const [page, setPage] = useState(first);
  const [zoom, setZoom] = useState(0);

  useEffect(() => setPage(first), [document, first, marked]);
  useEffect(() => {
    let left = false;
    setPdf(null);
    opened(document).then(
      (found) => !left && setPdf(found),
      (error: unknown) => !left && onFailure(told(error)),
    );
    return () => {
      left = true;
    };
  }, [document]);

  const pages = pdf?.numPages ?? 0;
  const here = Math.min(page, pages || page);
  const others = marked.filter((other) => other.page !== here);
  return (
    <div class="pdf">
      <div class="row" role="group" aria-label="Page of the file">
        <button type="button" aria-label="Page before" disabled={!pdf || here <= 1} onClick={() => setPage(here - 1)}>‹</button>
        <span role="status">{pdf ? `Page ${here} of ${pages}` : "Reading the file…"}</span>
        <button type="button" aria-label="Page after" disabled={!pdf || here >= pages} onClick={() => setPage(here + 1)}>›</button>
        <button type="button" disabled={zoom === 0} onClick={() => setZoom(zoom - 1)}>Smaller</button>
        <button type="button" disabled={zoom === ZOOMS.length - 1} onClick={() => setZoom(zoom + 1)}>Larger</button>
        {others.map((other) => (
          <button key={other.page} type="button" class="quiet" onClick={() => setPage(other.page)}>Cited on page {other.page}</button>
        ))}
      </div>
      <div class="pdf-page" tabIndex={0} role="region" aria-label="Page as it looks">
        {pdf && (
          <Drawn
            pdf={pdf}
            page={here}
            name={name}
            zoom={ZOOMS[zoom] ?? 1}
            boxes={marked.find((other) => other.page === here)?.boxes ?? []}
            onFailure={onFailure}
          />
        )}
      </div>
    </div>
  );
}

interface DrawnProps {
  pdf: PDFDocumentProxy;
  page: number;
  name: string;
  zoom: number;
  boxes: MarkedPage["boxes"];
  onFailure: (reason: string) => void;
}

function Drawn({ pdf, page, name, zoom, boxes, onFailure }: DrawnProps): ComponentChildren {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<SVGRectElement>(null);
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);

  useEffect(() => {
    let left = false;
    let stop = () => {};
    const draw = async () => {
      const found = await pdf.getPage(page);
      const element = canvas.current;
      const width = frame.current?.parentElement?.clientWidth ?? 0;
      if (left || !element || width === 0) return;
      const points = found.getViewport({ scale: 1 });
      const wanted = ((width * zoom) / points.width) * Math.min(devicePixelRatio, 2);
      const scale = Math.min(wanted, Math.sqrt(MOST_PIXELS / (points.width * points.height)));
      const viewport = found.getViewport({ scale });
      element.width = Math.floor(viewport.width);
      element.height = Math.floor(viewport.height);
      const task = found.render({ canvas: element, viewport });
      stop = () => task.cancel();
      await task.promise;
      if (!left) setSize({ width: points.width, height: points.height });
    };
    setSize(null);
    draw().catch((error: unknown) => {
      if (!left) onFailure(told(error));
    });
    return () => {
      left = true;
      stop();
    };
  }, [pdf, page, zoom]);
  useEffect(() => box.current?.scrollIntoView({ block: "center", inline: "nearest" }), [size, boxes]);

  const label = boxes.length ? `Page ${page} of ${name} with the cited passage marked` : `Page ${page} of ${name}`;
  return (
    <div class="drawn" ref={frame} style={{ width: `${zoom * 100}%` }} aria-busy={!size}>
      <canvas ref={canvas} role="img" aria-label={label} />
      {size && boxes.length > 0 && (
        <svg viewBox={`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none" aria-hidden="true">
          {boxes.map(({ left, top, right, bottom }, number) => (
            <rect
              key={number}
              ref={number === 0 ? box : null}
              class="cited-box"
              x={left - 2}
              y={top - 2}
              width={right - left + 4}
              height={bottom - top + 4}
              rx={2}
            />
          ))}
        </svg>
      )}
    </div>
  );
}
