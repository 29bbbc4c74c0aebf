// What PDF.js fetches when a document needs it: tables of characters, and decoders of pictures for pages whose policy allows
// no WebAssembly. Beside the console's own files, under a name that changes with their content.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const PACKAGE = join(import.meta.dirname, "node_modules/pdfjs-dist");
const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { version: string };
const FOLDER = `assets/pdfjs-${version}`;
const MODULE = "virtual:pdf-files";

const files = (folder: string, ending: string) =>
  readdirSync(join(PACKAGE, folder)).filter((name) => name.endsWith(ending)).sort();

/** Each file with the name that it is given. */
function taken(): [string, string][] {
  return [
    ["LICENSE", "LICENSE.txt"],
    ["cmaps/LICENSE", "cmaps/LICENSE.txt"],
    ...files("wasm", "").filter((name) => /^LICENSE.*(JBIG2|OPENJPEG)/.test(name)).map((name) => pair(`wasm/${name}`, ".txt")),
    ...files("wasm", "_nowasm_fallback.js").map((name) => pair(`wasm/${name}`)),
    ...files("cmaps", ".bcmap").map((name) => pair(`cmaps/${name}`)),
  ];
}

const pair = (path: string, ending = ""): [string, string] => [path, path + ending];

export function pdfFiles(): Plugin {
  let root = "/";
  return {
    name: "pdf-files",
    configResolved(config) {
      root = config.command === "build" ? `/${FOLDER}/` : "/node_modules/pdfjs-dist/";
    },
    resolveId: (id) => (id === MODULE ? `\0${MODULE}` : null),
    load: (id) => (id === `\0${MODULE}` ? `export const pdfFiles = ${JSON.stringify(root)};` : null),
    generateBundle() {
      for (const [path, name] of taken()) {
        this.emitFile({ type: "asset", fileName: `${FOLDER}/${name}`, source: readFileSync(join(PACKAGE, path)) });
      }
    },
  };
}
