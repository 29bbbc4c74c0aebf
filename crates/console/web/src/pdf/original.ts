// The file that a document was made of.

import type { PDFDocumentProxy } from "pdfjs-dist";
import { part, send } from "../api/client";

/** Larger files are not drawn: the browser would hold all of it. */
const MOST_BYTES = 128 * 1024 * 1024;

export const isPdf = (name: string) => /\.pdf$/i.test(name);

let held: { document: string; pdf: Promise<PDFDocumentProxy> } | null = null;

/** A document whose pages can be drawn. The one that was opened last stays open, and no other. */
export function opened(document: string): Promise<PDFDocumentProxy> {
  if (held?.document === document) return held.pdf;
  const before = held;
  const pdf = fetched(document);
  held = { document, pdf };
  // What failed is tried again when it is wanted again.
  pdf.catch(() => {
    if (held?.pdf === pdf) held = null;
  });
  before?.pdf.then((pdf) => pdf.loadingTask.destroy(), () => {});
  return pdf;
}

async function fetched(document: string): Promise<PDFDocumentProxy> {
  const response = await send(address(document));
  const bytes = Number(response.headers.get("content-length") ?? 0);
  if (bytes > MOST_BYTES) {
    await response.body?.cancel();
    throw new Error(`it has more than ${MOST_BYTES / 1024 / 1024} MiB`);
  }
  const [{ read }, data] = await Promise.all([import("./library"), response.arrayBuffer()]);
  return read(new Uint8Array(data));
}

const address = (document: string) => `/api/v2/documents/${part(document)}/file`;

/** Has the browser keep the file under this name. It is never opened as a page. */
export async function download(document: string, name: string): Promise<void> {
  const file = await (await send(address(document))).blob();
  // Whatever it is, the browser is to take it for bytes.
  const url = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  const link = window.document.createElement("a");
  link.href = url;
  link.download = name.split("/").at(-1) ?? "file";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
