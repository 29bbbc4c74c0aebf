// Questions and answers, one below the other.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import * as conversation from "./conversation";
import { TurnView } from "./TurnView";

/** Who is this near to the end wants to stay there. */
const NEAR = 80;

export function Log({ prologue }: { prologue: string }): ComponentChildren {
  const element = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const turns = conversation.shown.value;
  useLayoutEffect(() => {
    const log = element.current;
    if (!log) return;
    const stay = () => {
      if (sticks.current) log.scrollTop = log.scrollHeight;
    };
    const watcher = new ResizeObserver(stay);
    for (const child of log.children) watcher.observe(child);
    stay();
    return () => watcher.disconnect();
  }, [turns.length]);
  const scrolled = () => {
    const log = element.current;
    if (log) sticks.current = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  };
  return (
    <div class="log" ref={element} onScroll={scrolled} tabIndex={0} role="region" aria-label="Questions and answers">
      <div class="column">
        {turns.length === 0 && (
          <div class="welcome">
            <h1>Ask your documents</h1>
            <p>{prologue || "Answers come with their sources: click a number to read the passage."}</p>
            <p class="note"><kbd>/</kbd> to write, <kbd>Enter</kbd> to ask, <kbd>Escape</kbd> to stop</p>
          </div>
        )}
        {turns.length > 0 && <h1 class="unseen">Conversation</h1>}
        {turns.map((turn) => (
          <TurnView key={turn.id} turn={turn} />
        ))}
        {conversation.problem.value && <p class="problem" role="alert">{conversation.problem.value}</p>}
      </div>
    </div>
  );
}
