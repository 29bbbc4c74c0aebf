// What a citation rests on, beside its number, while the pointer or the focus is there.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Citation } from "../api/types";
import * as conversation from "./conversation";
import { place } from "./Sources";

interface Peeked {
  turn: string;
  citation: Citation;
  button: HTMLElement;
}

const peeked = signal<Peeked | null>(null);

const ID = "citation-card";
/** Milliseconds in which the pointer may come over from the number. */
const PATIENCE = 250;
/** Characters of a quote that are shown. */
const MOST_QUOTE = 400;
const GAP = 6;

let leaving = 0;

/** Shows the card of a citation beside its button. */
export function peek(turn: string, citation: Citation, button: HTMLElement): void {
  hide();
  button.setAttribute("aria-describedby", ID);
  peeked.value = { turn, citation, button };
}

/** Hides it, unless the pointer comes over to it. */
export function leave(): void {
  clearTimeout(leaving);
  leaving = window.setTimeout(hide, PATIENCE);
}

export function hide(): void {
  clearTimeout(leaving);
  peeked.value?.button.removeAttribute("aria-describedby");
  peeked.value = null;
}

export function CitationCard(): ComponentChildren {
  const card = useRef<HTMLDivElement>(null);
  const shown = peeked.value;
  useLayoutEffect(() => {
    if (shown && card.current) put(card.current, shown.button.getBoundingClientRect());
  }, [shown]);
  useEffect(() => {
    if (!shown) return;
    const typed = (event: KeyboardEvent) => event.key === "Escape" && hide();
    addEventListener("keydown", typed);
    addEventListener("scroll", hide, true);
    return () => {
      removeEventListener("keydown", typed);
      removeEventListener("scroll", hide, true);
    };
  }, [shown]);
  useEffect(() => hide, []);
  const passage = shown && conversation.turns.value.find(({ id }) => id === shown.turn)?.passages[shown.citation.passage];
  if (!passage) return null;
  const words = shown.citation.quote || passage.chunk.text;
  return (
    <div class="card" id={ID} role="tooltip" ref={card} onMouseEnter={() => clearTimeout(leaving)} onMouseLeave={leave}>
      <p class="plain">“{words.length > MOST_QUOTE ? `${words.slice(0, MOST_QUOTE)}…` : words}”</p>
      <p class="note">{place(passage, shown.citation.page)}</p>
    </div>
  );
}

/** Below the number, or above it where there is more room, within the window. */
function put(card: HTMLElement, at: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = card;
  const below = at.bottom + GAP;
  const top = below + height > innerHeight && at.top > innerHeight - at.bottom ? at.top - GAP - height : below;
  card.style.top = `${Math.max(GAP, top)}px`;
  card.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`;
}
