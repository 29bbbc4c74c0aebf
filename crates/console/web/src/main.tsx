// The console: a page for each part of the server, chosen by the address.

import { render, type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ChatPage } from "./chat/ChatPage";
import { KeyQuestion } from "./parts/KeyQuestion";
import { DatasetPage } from "./pages/DatasetPage";
import { DatasetsPage } from "./pages/DatasetsPage";
import { DialogsPage } from "./pages/DialogsPage";
import { DocumentPage } from "./pages/DocumentPage";
import { ModelsPage } from "./pages/ModelsPage";
import { SearchPage } from "./pages/SearchPage";
import { TurnPage } from "./pages/TurnPage";
import { UsagePage } from "./pages/UsagePage";
import { route, to } from "./route";
import "./style/base.css";
import "./style/chat.css";
import "./style/pages.css";

const PAGES: [string, string][] = [
  ["chat", "Chat"],
  ["datasets", "Datasets"],
  ["search", "Search lab"],
  ["dialogs", "Dialogs"],
  ["models", "Models"],
  ["usage", "Usage"],
];

function page(name: string, rest: string[]): ComponentChildren {
  const [first] = rest;
  switch (name) {
    case "chat":
      return <ChatPage />;
    case "datasets":
      return first === undefined ? <DatasetsPage /> : <DatasetPage key={first} name={first} />;
    case "documents":
      return <DocumentPage key={first ?? ""} id={first ?? ""} />;
    case "turns":
      return <TurnPage key={first ?? ""} id={first ?? ""} />;
    case "search":
      return <SearchPage />;
    case "dialogs":
      return <DialogsPage name={first} />;
    case "models":
      return <ModelsPage />;
    case "usage":
      return <UsagePage />;
    default:
      return (
        <div class="page">
          <h1>There is nothing here</h1>
          <p><a href={to("chat")}>Chat</a></p>
        </div>
      );
  }
}

function Console(): ComponentChildren {
  const { page: name, rest } = route.value;
  const main = useRef<HTMLElement>(null);
  const title = PAGES.find(([page]) => page === name)?.[1] ?? (name === "turns" ? "Why this answer" : "Document");
  useEffect(() => {
    document.title = name === "chat" ? "Colloquy" : `${title} · Colloquy`;
  }, [name]);
  const skip = (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the page</a>
      <header class="top">
        <a class="brand" href={to("chat")}>Colloquy</a>
        <nav aria-label="Console">
          {PAGES.map(([page, label]) => (
            <a key={page} href={to(page)} aria-current={page === name ? "page" : undefined}>{label}</a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1} ref={main}>{page(name, rest)}</main>
      <KeyQuestion />
    </>
  );
}

const root = document.getElementById("app");
if (root) render(<Console />, root);
