import type { ComponentChildren } from "preact";

/** Why something did not work; nothing when it did. */
export function Problem({ text }: { text: string }): ComponentChildren {
  return text ? <p class="problem" role="alert">{text}</p> : null;
}
