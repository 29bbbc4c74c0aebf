// What an owner says of a document: its name, whether it is searched, its metadata.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, post, told } from "../api/client";
import type { Document } from "../api/types";
import { Problem } from "../parts/Problem";

export function DocumentForm({ document, onSaved }: { document: Document; onSaved: () => void }): ComponentChildren {
  const [name, setName] = useState(document.name);
  const [enabled, setEnabled] = useState(!document.disabled);
  const [text, setText] = useState(() => JSON.stringify(document.metadata, null, 2));
  const [problem, setProblem] = useState("");
  const [state, setState] = useState("");
  const save = async () => {
    try {
      const metadata: unknown = JSON.parse(text);
      // Only what is another: what somebody else changed meanwhile stays.
      const change = {
        ...(name === document.name ? {} : { name }),
        ...(enabled === !document.disabled ? {} : { enabled }),
        ...(text === JSON.stringify(document.metadata, null, 2) ? {} : { metadata }),
      };
      await post(`/api/v2/documents/${part(document.id)}`, change, "PATCH");
      setProblem("");
      setState("Saved.");
      onSaved();
    } catch (error) {
      setState("");
      setProblem(error instanceof SyntaxError ? `This is no JSON: ${error.message}` : told(error));
    }
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label>Name <input value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <label class="check">
        <input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} /> Searches find it
      </label>
      <label>Metadata as JSON; filters see it at once <textarea rows={10} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
      <Problem text={problem} />
      <p role="status" class="note">{state}</p>
      <button class="primary">Save</button>
    </form>
  );
}
