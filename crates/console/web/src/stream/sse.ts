// Server-sent events out of bytes, cut anywhere.

export interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

/** A decoder: bytes in, whole events out. What is left of an event when the bytes end is dropped, as the standard says. */
export class EventDecoder {
  private readonly text = new TextDecoder("utf-8");
  private rest = "";
  private first = true;
  private afterReturn = false;
  private data: string[] = [];
  private name = "";
  private lastId = "";

  push(bytes: Uint8Array): ServerEvent[] {
    let text = this.text.decode(bytes, { stream: true });
    if (this.first && text) {
      this.first = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const events: ServerEvent[] = [];
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) {
        this.afterReturn = false;
        continue;
      }
      const closes = code === 10 && this.afterReturn;
      this.afterReturn = code === 13;
      if (closes) {
        start = at + 1;
        continue;
      }
      const event = this.line(this.rest + text.slice(start, at));
      this.rest = "";
      start = at + 1;
      if (event) events.push(event);
    }
    this.rest += text.slice(start);
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") {
      const event = this.data.length
        ? { id: this.lastId, name: this.name || "message", data: this.data.join("\n") }
        : null;
      this.data = [];
      this.name = "";
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    return null;
  }
}

/** Milliseconds of work after which others have their turn. */
const LONGEST = 8;

/** Bytes decoded at once: a fast server sends a lot between two frames. */
const AT_ONCE = 8_192;

/** The events of a response's body. Many of them at once do not keep the page from being drawn. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new EventDecoder();
  const reader = body.getReader();
  let since = performance.now();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (let at = 0; at < value.length; at += AT_ONCE) {
        yield* decoder.push(value.subarray(at, at + AT_ONCE));
        if (performance.now() - since < LONGEST) continue;
        await pause();
        since = performance.now();
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Until everything that waits has had its turn; not a timer, which browsers slow down. */
function pause(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
