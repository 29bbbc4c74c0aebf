declare module "virtual:pdf-files" {
  /** The address below which PDF.js finds what it fetches. */
  export const pdfFiles: string;
}

declare module "pdfjs-dist/legacy/build/pdf.mjs" {
  export * from "pdfjs-dist";
}
