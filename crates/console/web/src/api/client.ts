// Requests to the server. One place knows how they are authorised and what a refusal looks like.

import { signal } from "@preact/signals";

const KEY = "colloquy-api-key";

/** Set while the server wants a key: whoever shows the question answers it with one, or with nothing. */
export const keyWanted = signal<((key: string | null) => void) | null>(null);

/** A refused or failed request. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

function headers(init: RequestInit): Headers {
  const all = new Headers(init.headers);
  const key = sessionStorage.getItem(KEY);
  if (key) all.set("authorization", `Bearer ${key}`);
  return all;
}

let asking: Promise<string | null> | null = null;

/** Asks the person for a key; questions at the same time are one. */
function askForKey(): Promise<string | null> {
  asking ??= new Promise<string | null>((resolve) => {
    keyWanted.value = resolve;
  }).finally(() => {
    keyWanted.value = null;
    asking = null;
  });
  return asking;
}

/** Sends a request. A response that is no success is an `ApiError`, except 401, which asks for a key and tries again. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const response = await fetch(path, { ...init, headers: headers(init) });
    if (response.ok) return response;
    if (response.status === 401) {
      const key = await askForKey();
      if (key) {
        sessionStorage.setItem(KEY, key);
        continue;
      }
    }
    throw new ApiError(response.status, await reason(response));
  }
}

async function reason(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as { detail?: string; error?: { message?: string } };
    const told = body.detail ?? body.error?.message;
    if (told) return told;
  } catch {
    // Some proxy's page: the status says enough.
  }
  return `the server answered ${response.status}`;
}

export async function get<T>(path: string): Promise<T> {
  return (await send(path)).json() as Promise<T>;
}

export async function post<T>(path: string, body: unknown, method = "POST"): Promise<T> {
  const response = await send(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function remove(path: string): Promise<void> {
  await send(path, { method: "DELETE" });
}

/** A part of a path. */
export const part = encodeURIComponent;

/** What went wrong, for people. */
export function told(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return "the server cannot be reached";
  return error instanceof Error ? error.message : String(error);
}
