// A server that speaks like OpenAI's and says what a test tells it to.

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Upstream {
  url: string;
  stop: () => Promise<void>;
}

type Script = (question: string, say: (text: string) => Promise<void>) => Promise<void>;

/** Answers each question as the script does. A `say` returns when the text is on its way. */
export async function upstream(script: Script): Promise<Upstream> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (!request.url?.endsWith("/chat/completions")) {
        response.writeHead(404).end();
        return;
      }
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: unknown }[] };
      const last = body.messages.at(-1)?.content;
      void answer(response, script, typeof last === "string" ? last : JSON.stringify(last));
    });
  });
  const port = await listening(server);
  return { url: `http://127.0.0.1:${port}/v1`, stop: () => closed(server) };
}

async function answer(response: ServerResponse, script: Script, question: string): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const send = (delta: object, finish: string | null) =>
    response.write(
      `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
    );
  await script(question, async (text) => {
    if (!send({ content: text }, null) && !response.destroyed) {
      await once(response, "drain", { signal: gone.signal }).catch(() => {});
    }
  });
  send({}, "stop");
  response.end("data: [DONE]\n\n");
}

export async function listening(server: Server | import("node:net").Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

export async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
