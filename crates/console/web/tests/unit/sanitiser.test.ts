import { beforeEach, describe, expect, it } from "vitest";
import { highlighted } from "../../src/markdown/languages";
import { rendered, type Mark, type OnMark } from "../../src/markdown/render";
import { XSS } from "../xss";

const TAGS = new Set(
  ("p br hr h1 h2 h3 h4 h5 h6 strong em del s b i u code pre blockquote ul ol li a sup sub kbd " +
    "table thead tbody tr th td details summary span div button").split(" "),
);
const ATTRIBUTES: Record<string, Set<string>> = {
  a: new Set(["href", "title", "rel", "target", "class"]),
  button: new Set(["type", "class", "aria-label"]),
  div: new Set(["class", "tabindex"]),
  pre: new Set(["tabindex", "class"]),
};
const USUAL = new Set(["title", "class", "align", "start"]);

/** All of an element that could do something. */
function check(element: Element): void {
  const tag = element.tagName.toLowerCase();
  expect(TAGS, tag).toContain(tag);
  for (const { name, value } of element.attributes) {
    expect(ATTRIBUTES[tag] ?? USUAL, `${tag} ${name}=${value}`).toContain(name);
    if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/i);
    if (name === "class") expect(value).toMatch(/^(language-[\w+#.-]+|cite|wide)$/);
  }
}

function shown(source: string, marks: Mark[] = [], onMark: OnMark = { open: () => {} }): HTMLElement {
  const element = document.createElement("div");
  element.append(rendered(source, marks, onMark));
  return element;
}

describe("Markdown that others wrote", () => {
  beforeEach(() => {
    document.body.replaceChildren();
  });

  it.each(XSS)("does nothing: %s", (source) => {
    for (const wrapped of [source, `# ${source}`, `- ${source}`, `> ${source}`, `**${source}**`, `text\n\n${source}\n\ntext`]) {
      const element = shown(wrapped, [{ at: wrapped.length >> 1, label: 1 }]);
      document.body.append(element);
      for (const inner of element.querySelectorAll("*")) check(inner);
    }
    expect((window as { xss?: number }).xss).toBeUndefined();
  });

  it("keeps what a text needs", () => {
    const element = shown("# Title\n\n1. *a*\n2. `b`\n\n| x |\n|---|\n| y |\n\n```rust\nfn main() {}\n```\n\n<https://example.org>");
    expect([...element.children].map(({ tagName }) => tagName)).toEqual(["H1", "OL", "DIV", "PRE", "P"]);
    expect(element.querySelector("code.language-rust")?.textContent).toBe("fn main() {}\n");
    expect(element.querySelector("a")?.rel).toContain("noopener");
  });

  it("has a button for each mark, beside links and after code", () => {
    for (const [source, at] of [
      ["Tea is hot.", 11],
      ["[a link](https://example.org) here", 6],
      ["```\ncode\n```", 12],
      ["| x |\n|---|\n| y |", 16],
      ["Title\n---", 9],
    ] as const) {
      const clicked: number[] = [];
      const element = shown(source, [{ at, label: 7 }], { open: ({ label }) => clicked.push(label) });
      const button = element.querySelector<HTMLButtonElement>("button.cite");
      expect(button?.textContent, source).toBe("7");
      expect(button?.closest("a"), source).toBeNull();
      button?.click();
      expect(clicked, source).toEqual([7]);
      expect(element.textContent).not.toMatch(/[\uE000\uE001]/);
    }
  });

  it("tells which mark is looked at, also of two with one label", () => {
    const marks = [{ at: 12, label: 1 }, { at: 5, label: 1 }];
    const seen: [Mark, boolean][] = [];
    const element = shown("First second.", marks, { open: () => {}, peek: (mark, button) => seen.push([mark, button !== null]) });
    for (const button of element.querySelectorAll("button")) {
      button.dispatchEvent(new Event("mouseenter"));
      button.dispatchEvent(new Event("blur"));
    }
    expect(seen).toEqual([[marks[1], true], [marks[1], false], [marks[0], true], [marks[0], false]]);
  });

  it("cannot be made to show marks of its own", () => {
    expect(shown("a \uE0007\uE001 b").querySelector("button")).toBeNull();
  });

  it("keeps code in colours harmless", () => {
    for (const source of XSS) {
      const html = highlighted(source, "xml") ?? "";
      const template = document.createElement("template");
      template.innerHTML = html;
      for (const element of template.content.querySelectorAll("*")) expect(element.tagName).toBe("SPAN");
    }
  });
});
