// A chunk as its owner writes it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Chunk } from "../api/types";

interface Props {
  name: string;
  chunk?: Chunk;
  onSave: (said: { text?: string; keywords?: string[]; questions?: string[] }) => Promise<void>;
  onLeave: () => void;
}

export function ChunkForm({ name, chunk, onSave, onLeave }: Props): ComponentChildren {
  const [text, setText] = useState(chunk?.text ?? "");
  const [keywords, setKeywords] = useState((chunk?.keywords ?? []).join("\n"));
  const [questions, setQuestions] = useState((chunk?.questions ?? []).join("\n"));
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLTextAreaElement>(null);
  useEffect(() => first.current?.focus(), []);
  const save = async () => {
    setBusy(true);
    const words = { keywords: lines(keywords), questions: lines(questions) };
    // A text that nobody changed stays what the document says.
    await onSave(text === chunk?.text ? words : { text, ...words });
    setBusy(false);
  };
  return (
    <form
      class="fields chunk-form"
      aria-label={name}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label>Text <textarea ref={first} rows={8} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
      <label>Keywords, one a line <textarea rows={2} value={keywords} onInput={(event) => setKeywords(event.currentTarget.value)} /></label>
      <label>Questions that it answers, one a line <textarea rows={2} value={questions} onInput={(event) => setQuestions(event.currentTarget.value)} /></label>
      <div class="row">
        <button class="primary" disabled={busy || !text.trim()}>Save the chunk</button>
        <button type="button" onClick={onLeave}>Leave</button>
      </div>
    </form>
  );
}

const lines = (text: string) => text.split("\n").map((line) => line.trim()).filter(Boolean);
