// PDF.js, loaded with the first page that is drawn. It draws and does nothing else: no scripts, no forms, no links.

import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy } from "pdfjs-dist/legacy/build/pdf.mjs";
import worker from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";
import { pdfFiles } from "virtual:pdf-files";

GlobalWorkerOptions.workerSrc = worker;

/** The most pixels of a picture within a document. */
const MOST_PIXELS = 64 * 1024 * 1024;

/** Reads a document; the bytes are given away. */
export function read(data: Uint8Array): Promise<PDFDocumentProxy> {
  const root = new URL(pdfFiles, location.origin);
  return getDocument({
    data,
    cMapUrl: new URL("cmaps/", root).href,
    wasmUrl: new URL("wasm/", root).href,
    // The policy of the page allows no WebAssembly: the same decoders are there as scripts.
    useWasm: false,
    disableWorkerRendering: true,
    enableXfa: false,
    maxImageSize: MOST_PIXELS,
    verbosity: 0,
  }).promise;
}
