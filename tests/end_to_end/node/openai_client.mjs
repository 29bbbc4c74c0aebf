// Asks a running server with OpenAI's official client for Node, as a program of its users would.
//
// Usage: openai_client.mjs http://127.0.0.1:PORT

import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0, timeout: 30_000 });
const answer = "Tea was first drunk in China.";
const messages = [{ role: "user", content: "Where was tea first drunk?" }];

function check(what, holds) {
  console.log(holds ? "ok    " : "FAILED", what);
  if (!holds) process.exit(1);
}

const whole = await client.chat.completions.create({ model: "fake/chat", messages });
check("Node: a chat", whole.choices[0].message.content === answer);

let text = "";
for await (const chunk of await client.chat.completions.create({ model: "fake/chat", messages, stream: true })) {
  text += chunk.choices[0]?.delta.content ?? "";
}
check("Node: a streamed chat", text === answer);

const runner = client.chat.completions.runTools({
  model: "fake/calculator",
  messages,
  tools: [
    {
      type: "function",
      function: {
        name: "multiply",
        parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } },
        parse: JSON.parse,
        function: ({ a, b }) => String(a * b),
      },
    },
  ],
});
check("Node: a tool is run, and its result told", (await runner.finalContent()) === "It is 42.");

const properties = { city: { type: "string" }, degrees: { type: "integer" } };
const schema = { type: "object", properties, required: ["city", "degrees"], additionalProperties: false };
const written = await client.chat.completions.parse({
  model: "fake/writer",
  messages,
  response_format: { type: "json_schema", json_schema: { name: "weather", strict: true, schema } },
});
check("Node: an answer of a given form", JSON.parse(written.choices[0].message.content).degrees === 7);

const vectors = await client.embeddings.create({ model: "local/static", input: ["hot tea", "hot cup of tea", "tax law"] });
const [a, b, c] = vectors.data.map((item) => item.embedding);
const similarity = (x, y) => x.reduce((sum, value, at) => sum + value * y[at], 0);
check("Node: embeddings", similarity(a, b) > similarity(a, c) + 0.1);

const first = await client.responses.create({ model: "fake/chat", input: "Which tea?" });
const second = await client.responses.create({ model: "fake/chat", input: "Why?", previous_response_id: first.id });
const items = await client.responses.inputItems.list(second.id, { order: "asc" });
check("Node: a response goes on from another", second.output_text === answer && items.data.length === 3);
await client.responses.delete(second.id);

const file = await toFile(Buffer.from("not really sound"), "talk.mp3");
const heard = await client.audio.transcriptions.create({ model: "fake/ear", file });
check("Node: a transcript", heard.text === answer);
const speech = await client.audio.speech.create({ model: "fake/voice", voice: "alloy", input: "Hi" });
check("Node: speech", (await speech.text()) === answer);
