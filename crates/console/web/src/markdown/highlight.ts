// Colours for code, loaded when there is code.

import { sanitised } from "./render";

/** Longer code stays as it is: colouring it would take too long at once. */
const MOST_CODE = 8_000;

type Highlighter = typeof import("./languages");
let loading: Promise<Highlighter> | null = null;

/** Runs work when the page has nothing else to do. */
export const whenIdle: (work: () => void) => void =
  typeof requestIdleCallback === "function" ? (work) => requestIdleCallback(work) : (work) => setTimeout(work, 50);

/** Colours the blocks of code in an element, when there is time. */
export function colour(element: Element): void {
  for (const code of element.querySelectorAll<HTMLElement>("pre > code[class^=language-]")) {
    const text = code.textContent ?? "";
    // Marks of citations within the code would be lost.
    if (text.length > MOST_CODE || code.childElementCount > 0) continue;
    loading ??= import("./languages");
    loading
      .then(({ highlighted }) =>
        whenIdle(() => {
          const html = highlighted(text, code.className.replace("language-", ""));
          if (html === null || !code.isConnected || code.childElementCount > 0) return;
          code.replaceChildren(coloured(html));
        }),
      )
      .catch(() => {
        loading = null;
      });
  }
}

/** The highlighter's spans, with its classes and nothing else. */
function coloured(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.content.append(sanitisedSpans(html));
  return template.content;
}

function sanitisedSpans(html: string): DocumentFragment {
  const kept = html.replace(/<span class="((?:hljs-[\w-]+|language-[\w-]+)[^"<>]*)">/g, (_, kinds: string) => {
    const kind = /hljs-([\w-]+)/.exec(kinds)?.[1] ?? "none";
    return `<span class="language-hl-${kind}">`;
  });
  return sanitised(kept);
}
