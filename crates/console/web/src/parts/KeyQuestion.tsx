// Asked when the server wants an API key.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { keyWanted } from "../api/client";

export function KeyQuestion(): ComponentChildren {
  const answer = keyWanted.value;
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  useEffect(() => {
    if (answer) dialog.current?.showModal();
    else dialog.current?.close();
  }, [answer]);
  if (!answer) return null;
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={() => answer(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer(key.trim() || null);
          setKey("");
        }}
      >
        <h2 id="key-title">The server asks for an API key</h2>
        <p class="note">It is kept until this tab is closed.</p>
        <label>API key <input type="password" autocomplete="off" value={key} onInput={(event) => setKey(event.currentTarget.value)} /></label>
        <div class="row">
          <button class="primary">Use it</button>
          <button type="button" onClick={() => answer(null)}>Cancel</button>
        </div>
      </form>
    </dialog>
  );
}
