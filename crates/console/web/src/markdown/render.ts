// Markdown to a fragment of the document that can do nothing: what a model or a document wrote is never trusted.

import DOMPurify, { type Config } from "dompurify";
import { Marked } from "marked";

/** Marks of citations within the source, their numbers between characters that no text has, since those are taken out first. */
const OPEN = "\uE000";
const CLOSE = "\uE001";

export interface Mark {
  /** Place in the source. */
  at: number;
  /** What is shown. */
  label: number;
}

const marked = new Marked({ gfm: true, async: false });

const ALLOWED: Config = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 strong em del s b i u code pre blockquote ul ol li a sup sub kbd".split(" "),
    ..."table thead tbody tr th td details summary span img".split(" "),
  ],
  ALLOWED_ATTR: ["href", "title", "class", "align", "start", "alt", "src"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** A sanitised fragment. */
export function sanitised(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html, ALLOWED) as unknown as DocumentFragment;
  for (const element of fragment.querySelectorAll("*")) tame(element);
  return fragment;
}

function tame(element: Element): void {
  const kind = element.getAttribute("class");
  if (kind !== null && !/^language-[\w+#.-]{1,32}$/.test(kind)) element.removeAttribute("class");
  if (element.tagName === "A") {
    element.setAttribute("rel", "noopener noreferrer nofollow");
    element.setAttribute("target", "_blank");
  }
  // A picture from elsewhere would tell elsewhere who reads: its name and a link stand in its place.
  if (element.tagName === "IMG") {
    const link = document.createElement("a");
    const address = element.getAttribute("src");
    link.textContent = element.getAttribute("alt") || address || "picture";
    if (address) link.href = address;
    link.rel = "noopener noreferrer nofollow";
    link.target = "_blank";
    element.replaceWith(link);
  }
}

/** What is done about a mark: opened; looked at, and left (without its button). */
export interface OnMark {
  open: (mark: Mark) => void;
  peek?: (mark: Mark, button: HTMLElement | null) => void;
}

/** The fragment of a piece of Markdown, with a button for each mark. */
export function rendered(source: string, marks: Mark[], onMark: OnMark): DocumentFragment {
  const plain = source.replace(/[\uE000\uE001]/g, "\uFFFD");
  const fragment = sanitised(marked.parse(withMarks(plain, marks)) as string);
  setButtons(fragment, marks, onMark);
  for (const table of fragment.querySelectorAll("table")) scrolls(table);
  for (const code of fragment.querySelectorAll("pre")) code.tabIndex = 0;
  return fragment;
}

/** A wide table scrolls by itself, also by keyboard. */
function scrolls(table: Element): void {
  const frame = document.createElement("div");
  frame.className = "wide";
  frame.tabIndex = 0;
  table.replaceWith(frame);
  frame.append(table);
}

function withMarks(source: string, marks: Mark[]): string {
  let text = "";
  let from = 0;
  const numbered = marks.map(({ at }, number) => ({ at, number }));
  for (const { at, number } of numbered.sort((one, other) => one.at - other.at)) {
    const place = Math.max(from, Math.min(at, source.length));
    text += source.slice(from, place) + mark(source, place, number);
    from = place;
  }
  return text + source.slice(from);
}

function mark(source: string, at: number, number: number): string {
  const mark = `${OPEN}${number}${CLOSE}`;
  const line = source.slice(source.lastIndexOf("\n", at - 1) + 1, at);
  // What closes a block of code, or underlines a heading, is alone on its line.
  if (/^ {0,3}(?:`{3,}|~{3,}|=+\s*$|-+\s*$)/.test(line)) return `\n\n${mark}\n\n`;
  return mark;
}

function setButtons(fragment: DocumentFragment, marks: Mark[], onMark: OnMark): void {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    if (text.data.includes(OPEN)) found.push(text);
  }
  for (const text of found) {
    const parts = text.data.split(/\uE000(\d+)\uE001/);
    const within = text.parentElement?.closest("a");
    const nodes = parts.map((part, place) => {
      const mark = place % 2 ? marks[Number(part)] : undefined;
      return mark ? button(mark, onMark) : part;
    });
    text.replaceWith(...nodes.filter((node) => node !== ""));
    // A button within a link is neither.
    for (const moved of within?.querySelectorAll(".cite") ?? []) within?.after(moved);
  }
}

function button(mark: Mark, { open, peek }: OnMark): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cite";
  button.textContent = `${mark.label}`;
  button.setAttribute("aria-label", `Source ${mark.label}`);
  button.addEventListener("click", () => open(mark));
  for (const event of ["mouseenter", "focus"]) button.addEventListener(event, () => peek?.(mark, button));
  for (const event of ["mouseleave", "blur"]) button.addEventListener(event, () => peek?.(mark, null));
  return button;
}
