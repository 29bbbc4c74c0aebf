// What ingestion does now, as the server tells it.

import { signal } from "@preact/signals";
import { send } from "../api/client";
import type { IngestEvent, Progress } from "../api/types";
import { patience } from "../stream/follow";
import { events } from "../stream/sse";

export const progress = signal<Progress | null>(null);
/** What is being done to a document, by its name. */
export const steps = signal<ReadonlyMap<string, string>>(new Map());

/** Follows until the signal; `onEnd` is called whenever a document has ended. */
export async function followIngestion(onEnd: () => void, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      const response = await send("/api/v2/ingest/events", { signal });
      if (response.body) {
        for await (const { data } of events(response.body)) {
          attempt = 1;
          take(JSON.parse(data) as IngestEvent, onEnd);
        }
      }
    } catch {
      // The connection was lost, or this page was left.
    }
    if (!signal.aborted) await patience(attempt);
  }
}

function take(event: IngestEvent, onEnd: () => void): void {
  const next = new Map(steps.value);
  switch (event.event) {
    case "progress":
      progress.value = event.progress;
      return;
    case "stage":
      next.set(event.name, event.stage);
      break;
    case "advanced":
      next.set(event.name, `${event.stage} ${event.done} of ${event.of}`);
      break;
    case "done":
    case "failed":
      next.delete(event.name);
      onEnd();
      break;
    default:
      onEnd();
  }
  steps.value = next;
}
