// One dataset: its documents, and what happens to those that are being ingested.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, part, post, remove, send, told } from "../api/client";
import type { Dataset, Document } from "../api/types";
import { dropped, type FoundFile } from "../parts/files";
import { Problem } from "../parts/Problem";
import { useLoaded } from "../parts/load";
import { go, to } from "../route";
import { DatasetSettingsForm } from "./DatasetSettingsForm";
import { followIngestion, progress, steps } from "./ingestion";

/** Files on their way at the same time. */
const AT_ONCE = 3;

export function DatasetPage({ name }: { name: string }): ComponentChildren {
  const address = `/api/v2/datasets/${part(name)}`;
  const dataset = useLoaded<Dataset>(address);
  const [documents, setDocuments] = useState<Document[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [failures, setFailures] = useState<string[]>([]);
  const [sending, setSending] = useState(0);
  const picker = useRef<HTMLInputElement>(null);
  const shown = useRef(0);

  const load = async (after: string | null) => {
    const limit = after === null ? Math.max(100, Math.min(1000, shown.current)) : 100;
    const from = after === null ? "" : `&after=${part(after)}`;
    const page = await get<{ documents: Document[]; next: string | null }>(`${address}/documents?limit=${limit}${from}`);
    setDocuments((known) => {
      const all = after === null ? page.documents : [...known, ...page.documents];
      shown.current = all.length;
      return all;
    });
    setNext(page.next);
  };
  const refresh = () => load(null).catch((error: unknown) => setFailures([told(error)]));

  useEffect(() => {
    setDocuments([]);
    void refresh();
    const leaving = new AbortController();
    let waits = 0;
    // Many documents may end at once: one look is enough.
    const look = () => {
      waits ||= window.setTimeout(() => {
        waits = 0;
        void refresh();
      }, 150);
    };
    void followIngestion(look, leaving.signal);
    return () => {
      clearTimeout(waits);
      leaving.abort();
    };
  }, [name]);

  const upload = async (files: FoundFile[]) => {
    const waiting = [...files];
    setSending((count) => count + files.length);
    setFailures([]);
    const work = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        try {
          await send(`${address}/documents?name=${part(file.name)}`, { method: "POST", body: file.file });
        } catch (error) {
          const line = `${file.name}: ${told(error)}`;
          setFailures((known) => [...known, line]);
        }
        setSending((count) => count - 1);
        void refresh();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  };
  const act = (work: Promise<unknown>) => void work.then(refresh, (error: unknown) => setFailures([told(error)]));
  const deleteDataset = async () => {
    if (!confirm(`Delete “${name}” with all its documents?`)) return;
    await remove(address).then(() => go(to("datasets")), (error: unknown) => setFailures([told(error)]));
  };

  return (
    <div
      class="page"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        if (event.dataTransfer) void dropped(event.dataTransfer).then(upload);
      }}
    >
      <p class="note"><a href={to("datasets")}>Datasets</a></p>
      <h1>{name}</h1>
      <Problem text={dataset.problem} />
      {failures.map((failure) => <Problem key={failure} text={failure} />)}
      <div class="drop">
        <p>Drop files or folders here, or</p>
        <button type="button" class="primary" onClick={() => picker.current?.click()}>Choose files</button>
        <input
          type="file"
          multiple
          hidden
          ref={picker}
          data-testid="upload"
          onChange={(event) => {
            const files = [...(event.currentTarget.files ?? [])];
            event.currentTarget.value = "";
            void upload(files.map((file) => ({ name: file.name, file })));
          }}
        />
      </div>
      <IngestionLine sending={sending} />
      <div class="wide" tabIndex={0} role="region" aria-label="Documents">
        <table>
          <thead>
            <tr><th>Document</th><th>State</th><th>Chunks</th><th>Pages</th><th>Size</th><th>Actions</th></tr>
          </thead>
          <tbody>
            {documents.map((document) => (
              <tr key={document.id}>
                <td><a href={to("documents", document.id)}>{document.name}</a></td>
                <td><State document={document} /></td>
                <td class="number">{document.chunks}</td>
                <td class="number">{document.pages || ""}</td>
                <td class="number">{size(document.bytes)}</td>
                <td>
                  {(document.status.state === "failed" || document.status.state === "cancelled") && (
                    <button type="button" class="quiet" aria-label={`Try ${document.name} again`} onClick={() => act(post(`/api/v2/documents/${part(document.id)}/retry`, {}))}>
                      Try again
                    </button>
                  )}
                  {(document.status.state === "queued" || document.status.state === "running") && (
                    <button type="button" class="quiet" aria-label={`Cancel ${document.name}`} onClick={() => act(post(`/api/v2/documents/${part(document.id)}/cancel`, {}))}>
                      Cancel
                    </button>
                  )}
                  <button
                    type="button"
                    class="quiet"
                    aria-label={`Delete ${document.name}`}
                    onClick={() => confirm(`Delete “${document.name}”?`) && act(remove(`/api/v2/documents/${part(document.id)}`))}
                  >
                    Delete
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {documents.length === 0 && <p class="note">No documents yet.</p>}
      {next !== null && <button type="button" onClick={() => void load(next)}>More documents</button>}
      {dataset.value && <DatasetSettingsForm dataset={dataset.value} onSaved={dataset.again} />}
      <p><button type="button" class="danger" onClick={() => void deleteDataset()}>Delete the dataset</button></p>
    </div>
  );
}

function State({ document }: { document: Document }): ComponentChildren {
  const { status } = document;
  if (status.state === "failed") return <span class="failed">failed: {status.reason}</span>;
  if (status.state === "running") return <span>{steps.value.get(document.name) ?? status.stage}…</span>;
  return <span class={status.state}>{status.state}</span>;
}

function IngestionLine({ sending }: { sending: number }): ComponentChildren {
  const now = progress.value;
  const left = now ? now.queued - now.done - now.failed - now.cancelled : 0;
  const parts = [
    sending > 0 ? `sending ${sending} files` : "",
    left > 0 ? `${left} documents to go` : "",
    left > 0 && now && now.chunks_per_second > 0 ? `${Math.round(now.chunks_per_second)} chunks/s` : "",
    left > 0 && now?.seconds_left ? `about ${now.seconds_left} s` : "",
    now?.paused ? `waiting: ${now.paused.reason}` : "",
  ].filter(Boolean);
  return (
    <div role="status" class="note progress-line">
      {now && left > 0 && <progress aria-label="Ingestion" max={now.queued} value={now.queued - left} />}
      {parts.join(" · ")}
    </div>
  );
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
