// PDFs that tests write themselves.

/** A line of text: its place from the page's lower left corner, and its words. */
export interface Line {
  x: number;
  y: number;
  text: string;
}

export interface Page {
  lines: Line[];
  /** A black square of 100 points at this place, as a fax picture. */
  square?: { x: number; y: number };
}

/** An all-white picture of 64 × 64 as ITU-T T.6 has it: 64 lines like the one above, and the end. Drawn inverted. */
const FAX = Buffer.from([...Array<number>(8).fill(0xff), 0x00, 0x10, 0x01]);

/** A PDF of these pages, 612 × 792 points each. It asks readers to run a script when it is opened. */
export function pdf(pages: Page[]): Buffer {
  const objects: Buffer[] = [];
  const add = (text: string, stream?: Buffer) => {
    const body = stream ? [Buffer.from(`${text}\nstream\n`), stream, Buffer.from("\nendstream")] : [Buffer.from(text)];
    objects.push(Buffer.concat(body));
    return objects.length;
  };
  // The catalogue, the tree of pages, the font and the picture have the first numbers.
  const kids = pages.map((_, number) => `${6 + 2 * number} 0 R`).join(" ");
  add("<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> >>");
  add(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
  add(
    "<< /Type /XObject /Subtype /Image /Width 64 /Height 64 /ColorSpace /DeviceGray /BitsPerComponent 1 /Decode [1 0]" +
      ` /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 64 /Rows 64 >> /Length ${FAX.length} >>`,
    FAX,
  );
  for (const { lines, square } of pages) {
    const drawn = lines.map(({ x, y, text }) => `BT /F1 12 Tf ${x} ${y} Td (${text}) Tj ET`);
    if (square) drawn.push(`q 100 0 0 100 ${square.x} ${square.y} cm /Im1 Do Q`);
    const content = Buffer.from(drawn.join("\n"));
    const number = add(`<< /Length ${content.length} >>`, content);
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${number} 0 R` +
        " /Resources << /Font << /F1 3 0 R >> /XObject << /Im1 4 0 R >> >> >>",
    );
  }
  return written(objects);
}

function written(objects: Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from("%PDF-1.5\n")];
  const places: number[] = [];
  let length = parts[0]?.length ?? 0;
  const push = (part: Buffer) => {
    parts.push(part);
    length += part.length;
  };
  objects.forEach((object, number) => {
    places.push(length);
    push(Buffer.concat([Buffer.from(`${number + 1} 0 obj\n`), object, Buffer.from("\nendobj\n")]));
  });
  const table = places.map((place) => `${`${place}`.padStart(10, "0")} 00000 n \n`).join("");
  const count = objects.length + 1;
  const start = length;
  push(Buffer.from(`xref\n0 ${count}\n0000000000 65535 f \n${table}trailer\n<< /Size ${count} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`));
  return Buffer.concat(parts);
}
