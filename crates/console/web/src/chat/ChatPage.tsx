// The conversation with its sessions and its sources.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { get } from "../api/client";
import type { Dialog, Model } from "../api/types";
import { warmUp } from "../markdown/Markdown";
import { go, route, to } from "../route";
import { CitationCard } from "./CitationCard";
import { Composer } from "./Composer";
import * as conversation from "./conversation";
import { Log } from "./Log";
import { shownSource, Sources } from "./Sources";

const dialogs = signal<Dialog[]>([]);
const models = signal<Model[]>([]);
const listOpen = signal(false);

export function ChatPage(): ComponentChildren {
  const wanted = route.value.rest[0] ?? null;
  useEffect(() => void conversation.open(wanted), [wanted]);
  useEffect(() => {
    warmUp();
    void conversation.list();
    get<{ dialogs: Dialog[] }>("/api/v2/dialogs").then((found) => (dialogs.value = found.dialogs), () => {});
    get<{ data: Model[] }>("/v1/models").then(
      (found) => (models.value = found.data.filter(({ kind }) => kind === "chat")),
      () => {},
    );
  }, []);
  const source = shownSource.value;
  return (
    <div class={`chat ${source ? "with-sources" : ""} ${listOpen.value ? "with-list" : ""}`}>
      <nav class="sessions" aria-label="Sessions">
        <a class="button primary" href={to("chat")} onClick={() => (listOpen.value = false)}>New chat</a>
        <ul>
          {conversation.sessions.value.map((session) => (
            <li key={session.id} class={session.id === conversation.session.value ? "current" : ""}>
              <a
                href={to("chat", session.id)}
                aria-current={session.id === conversation.session.value ? "page" : undefined}
                onClick={() => (listOpen.value = false)}
              >
                {session.title || "Untitled"}
              </a>
              <button
                type="button"
                class="quiet"
                aria-label={`Delete ${session.title || "untitled session"}`}
                onClick={() => confirm("Delete this session with all its answers?") && void conversation.forget(session.id)}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      </nav>
      <section class="talk" aria-label="Conversation">
        <div class="bar">
          <button
            type="button"
            class="quiet narrow-only"
            aria-expanded={listOpen.value}
            onClick={() => (listOpen.value = !listOpen.value)}
          >
            Sessions
          </button>
          <label>
            Dialog{" "}
            <select
              aria-label="Dialog"
              value={conversation.dialog.value}
              onChange={(event) => {
                conversation.dialog.value = event.currentTarget.value;
                if (conversation.session.value) go(to("chat"));
              }}
            >
              {named(dialogs.value.map(({ name }) => name), conversation.dialog.value).map((name) => (
                <option key={name} value={name}>{name}</option>
              ))}
            </select>
          </label>
          <label>
            Model{" "}
            <select
              aria-label="Model"
              value={conversation.model.value}
              onChange={(event) => (conversation.model.value = event.currentTarget.value)}
            >
              <option value="">the dialog's</option>
              {models.value.map(({ id }) => (
                <option key={id} value={id}>{id}</option>
              ))}
            </select>
          </label>
        </div>
        <Log prologue={dialogs.value.find(({ name }) => name === conversation.dialog.value)?.settings.prologue ?? ""} />
        <Composer />
      </section>
      {source && <Sources {...source} />}
      <CitationCard />
    </div>
  );
}

/** The names, with the one that is chosen even before they are known. */
function named(names: string[], chosen: string): string[] {
  return names.includes(chosen) ? names : [chosen, ...names];
}
