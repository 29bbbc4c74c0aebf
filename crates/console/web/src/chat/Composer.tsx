// Where questions are written, with files dropped or pasted.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { base64 } from "../parts/files";
import * as conversation from "./conversation";

const MOST_FILES = 16;

export function Composer(): ComponentChildren {
  const text = useSignal("");
  const files = useSignal<conversation.Attached[]>([]);
  const input = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const running = conversation.isRunning.value;

  useEffect(() => {
    const typed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && conversation.isRunning.value) void conversation.stop();
      const elsewhere = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (event.key === "/" && !elsewhere && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        input.current?.focus();
      }
    };
    addEventListener("keydown", typed);
    return () => removeEventListener("keydown", typed);
  }, []);

  const take = async (list: Iterable<File>) => {
    for (const file of list) {
      if (files.value.length >= MOST_FILES) break;
      files.value = [...files.value, { name: file.name, data: await base64(file) }];
    }
  };
  const send = async () => {
    const question = text.value.trim();
    if (!question || running) return;
    const attachments = files.value;
    text.value = "";
    files.value = [];
    if (!(await conversation.ask({ question, attachments }))) {
      text.value = question;
      files.value = attachments;
    }
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (running) void conversation.stop();
        else void send();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void take(event.dataTransfer?.files ?? []);
      }}
    >
      {files.value.length > 0 && (
        <ul class="attached">
          {files.value.map((file) => (
            <li key={file.name}>
              {file.name}
              <button
                type="button"
                class="quiet"
                aria-label={`Remove ${file.name}`}
                onClick={() => (files.value = files.value.filter((other) => other !== file))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="row">
        <button type="button" class="quiet" aria-label="Attach files" onClick={() => picker.current?.click()}>+</button>
        <input
          type="file"
          multiple
          hidden
          ref={picker}
          onChange={(event) => {
            void take(event.currentTarget.files ?? []);
            event.currentTarget.value = "";
          }}
        />
        <textarea
          ref={input}
          rows={Math.min(8, text.value.split("\n").length)}
          placeholder="Ask about your documents"
          aria-label="Question"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
          onPaste={(event) => void take(event.clipboardData?.files ?? [])}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void send();
          }}
        />
        <button class="primary" disabled={!running && !text.value.trim()}>{running ? "Stop" : "Ask"}</button>
      </div>
      <p class="note status" role="status">{STATES[conversation.connection.value]}</p>
    </form>
  );
}

const STATES = {
  "": "",
  asking: "Asking…",
  answering: "Answering… Escape stops it.",
  reconnecting: "The connection was lost; the answer goes on as soon as it is back.",
};
