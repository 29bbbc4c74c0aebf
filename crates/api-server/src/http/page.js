// The chat page: asks /v1/chat/completions, streams the answer, and lists its sources.
"use strict";

const log = document.getElementById("log");
const form = document.getElementById("form");
const input = document.getElementById("question");
const send = document.getElementById("send");
const model = document.getElementById("model");
const conversation = [];
let running = null;
let turns = 0;

fetch("/v1/models")
  .then((reply) => reply.json())
  .then(({ data }) => {
    for (const { id, kind } of data) {
      if (id !== "dialog/default" && (kind === "chat" || kind === "dialog")) model.append(new Option(id));
    }
  })
  .catch(() => {});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else ask(input.value.trim());
});

async function ask(question) {
  if (!question) return;
  const turn = ++turns;
  input.value = "";
  add("p", "question", question);
  const answer = add("div", "answer", "");
  const sources = [];
  let text = "";
  conversation.push({ role: "user", content: question });
  running = new AbortController();
  send.textContent = "Stop";
  try {
    const reply = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: model.value, messages: conversation, stream: true }),
      signal: running.signal,
    });
    if (!reply.ok) throw new Error((await reply.json()).error.message);
    for await (const event of events(reply.body)) {
      if (event.error) throw new Error(event.error.message);
      const delta = event.choices?.[0]?.delta ?? {};
      text += delta.content ?? "";
      if (delta.content) answer.append(delta.content);
      for (const annotation of delta.annotations ?? []) cite(answer, sources, annotation, turn);
      answer.scrollIntoView({ block: "end" });
    }
  conversation.push({ role: "assistant", content: text });
  } catch (error) {
    conversation.pop();
    if (error.name !== "AbortError") add("p", "error", error.message);
  } finally {
    running = null;
    send.textContent = "Ask";
    list(sources, turn);
    input.focus();
  }
}

// Server-sent events of a response body, as parsed JSON, up to [DONE].
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The answer broke off.");
    buffer += value;
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const data = buffer.slice(0, end).split("\n").filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trim()).join("\n");
      buffer = buffer.slice(end + 2);
      if (data === "[DONE]") return;
      if (data) yield JSON.parse(data);
    }
  }
}

function cite(answer, sources, annotation, turn) {
  const source = annotation.file_citation ?? annotation.url_citation;
  if (!source) return;
  let at = sources.findIndex((known) => known.quote === source.quote && known.filename === source.filename);
  if (at < 0) at = sources.push(source) - 1;
  const mark = document.createElement("sup");
  const link = document.createElement("a");
  link.href = `#source-${turn}-${at}`;
  link.textContent = `[${at + 1}]`;
  link.title = source.quote ?? "";
  mark.append(link);
  answer.append(mark);
}

function list(sources, turn) {
  if (!sources.length) return;
  const items = document.createElement("ol");
  sources.forEach((source, at) => {
    const item = document.createElement("li");
    item.id = `source-${turn}-${at}`;
    const place = source.page ? `page ${source.page}` : source.heading;
    item.append([source.filename ?? source.url, place].filter(Boolean).join(", "));
    const quote = document.createElement("q");
    quote.textContent = source.quote ?? "";
    item.append(quote);
    items.append(item);
  });
  log.append(items);
  items.scrollIntoView({ block: "end" });
}

function add(tag, kind, text) {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  log.append(element);
  element.scrollIntoView({ block: "end" });
  return element;
}
