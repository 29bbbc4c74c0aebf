// The release binary with a data directory of its own, on a port that the system chooses.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Running {
  url: string;
  /** Where it keeps its data. */
  data: string;
  stop: () => Promise<void>;
}

export async function server(providers = ""): Promise<Running> {
  const binary = process.env["COLLOQUY_BINARY"];
  if (!binary) throw new Error("COLLOQUY_BINARY names the release binary; `cargo xtask console --test` sets it");
  const folder = mkdtempSync(join(tmpdir(), "colloquy-console-"));
  const config = join(folder, "colloquy.toml");
  writeFileSync(config, providers);
  const child = spawn(
    binary,
    ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "data"), "--config", config],
    { cwd: folder, env: {}, stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (data: Buffer) => (log += data.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on("line", (line) => {
      const found = /^listening on (\S+)/.exec(line)?.[1];
      if (found) resolve(found);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return {
    url,
    data: join(folder, "data"),
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A provider of the configuration that is the fake upstream. */
export function provider(url: string): string {
  return `[[provider]]\nname = "fake"\ndialect = "openai"\nbase_url = "${url}"\n\n[defaults]\nchat = "fake/model"\n`;
}

/** Sends a file to a dataset and waits until it is searchable, or failed. */
export async function ingest(url: string, name: string, text: string | Buffer, dataset = "default"): Promise<string> {
  const events = await fetch(`${url}/api/v2/ingest/events`);
  const sent = await fetch(`${url}/api/v2/datasets/${dataset}/documents?name=${encodeURIComponent(name)}`, {
    method: "POST",
    body: typeof text === "string" ? text : new Uint8Array(text),
  });
  if (!sent.ok) throw new Error(await sent.text());
  const { id } = (await sent.json()) as { id: string };
  const reader = events.body?.getReader();
  for (;;) {
    const document = (await (await fetch(`${url}/api/v2/documents/${id}`)).json()) as { status: { state: string } };
    if (document.status.state === "ready" || document.status.state === "failed") break;
    // Something happened: look again.
    await reader?.read();
  }
  await reader?.cancel();
  return id;
}
