// What the server's native API takes and gives, as docs/http.md and docs/dialogs.md describe it.

export interface Span {
  start: number;
  end: number;
}

/** Where a stretch of a chunk stood in its file; bounds in points from the page's upper left corner. */
export interface Place {
  span: Span;
  page?: number;
  bounds?: { left: number; top: number; right: number; bottom: number };
}

export interface Chunk {
  id: string;
  dataset: string;
  document: string;
  ordinal: number;
  kind?: "passage" | "parent" | "summary" | "contents" | "entity" | "written";
  text: string;
  /** Bytes of the document's text. */
  span: Span;
  headings: string[];
  places: Place[];
  tokens: number;
  keywords?: string[];
  questions?: string[];
  /** Taken out of searches. */
  disabled?: boolean;
}

export interface Why {
  text?: number;
  coverage?: number;
  vector?: number;
  nearness?: number;
  vector_weight?: number;
  fused?: number;
  rerank?: number;
  [more: string]: number | undefined;
}

export interface Passage {
  chunk: Chunk;
  document_name: string;
  title?: string;
  score: number;
  why: Why;
  metadata?: Record<string, unknown>;
  highlights?: Span[];
}

export interface Citation {
  passage: number;
  /** Characters (Unicode scalar values) of the answer. */
  answer: Span;
  quote: string;
  /** Bytes of the document's text. */
  source: Span;
  page?: number;
  support: number;
}

export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
}

export interface Spending {
  model: string;
  attempts: number;
  usage: Usage;
  cost?: number;
}

export interface Done {
  finish: string;
  usage: Usage;
  seconds: Record<string, number>;
  cited: number[];
  spent?: Spending[];
}

export interface Failure {
  code: string;
  message: string;
  retry_after_seconds?: number;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface ToolResult {
  call_id: string;
  name?: string;
  parts: { type?: string; text?: string }[];
  is_error: boolean;
}

export type TurnEvent =
  | { type: "started"; turn: string; model: string }
  | { type: "question"; text: string; translations?: string[]; keywords?: string[] }
  | { type: "retrieved"; passages: Passage[]; total: number }
  | { type: "reasoning"; text: string }
  | { type: "delta"; text: string }
  | ({ type: "citation" } & Citation)
  | { type: "annotation"; url?: string; title?: string }
  | { type: "tool"; index: number; name?: string; arguments: string }
  | { type: "tool_called"; call: ToolCall }
  | { type: "tool_returned"; result: ToolResult; seconds: number }
  | { type: "warning"; message: string }
  | ({ type: "done" } & Done)
  | ({ type: "error" } & Failure);

export type TurnStatus = "running" | "complete" | "stopped" | "abandoned" | "failed" | "interrupted";

export interface Turn {
  id: string;
  session: string;
  parent: string | null;
  status: TurnStatus;
  question: string;
  answer: string;
  model?: string;
  passages?: Passage[];
  citations?: Citation[];
  reasoning?: string;
  warnings?: string[];
  query?: { text: string; translations?: string[]; keywords?: string[] };
  trace?: Step[];
  spent?: Spending[];
  ran?: { call: ToolCall; result?: ToolResult; seconds?: number }[];
  attachments?: { name: string }[];
  done?: Done;
  failure?: Failure;
  feedback: { helpful: boolean; comment?: string } | null;
  asked_at: number;
}

/** Something that was done for a turn; times in seconds since it began. */
export interface Step {
  name: string;
  at: number;
  seconds: number;
  input: string;
  output?: string;
  failure?: string;
}

/** A turn in short. */
export interface LatestTurn {
  id: string;
  session: string;
  status: TurnStatus;
  question: string;
  model: string;
  asked_at: number;
  seconds: number | null;
  cost: number;
}

export interface Session {
  id: string;
  dialog: string;
  title: string;
  created_at: number;
  updated_at: number;
}

export interface DialogSettings {
  description?: string;
  prologue?: string;
  datasets?: string[];
  model?: string;
  instructions?: string;
  prompt?: string;
  top?: number;
  threshold?: number;
  vector_weight?: number;
  rerank?: string;
  filter?: unknown;
  [more: string]: unknown;
}

export interface Dialog {
  name: string;
  implied: boolean;
  settings: DialogSettings;
}

export interface DatasetSettings {
  chunking: { method: string; max_tokens: number; overlap_tokens: number; [more: string]: unknown };
  enrichment: Record<string, unknown>;
  page_rank: number;
}

export interface Dataset {
  id: string;
  name: string;
  embedding: { model: string; dimensions: number };
  settings: DatasetSettings;
  created_at: number;
}

export type DocumentStatus =
  | { state: "queued" | "ready" | "cancelled" }
  | { state: "running"; stage: string }
  | { state: "failed"; reason: string };

export interface Document {
  id: string;
  dataset: string;
  name: string;
  bytes: number;
  title: string | null;
  pages: number;
  chunks: number;
  status: DocumentStatus;
  /** Taken out of searches. */
  disabled?: boolean;
  metadata: Record<string, unknown>;
  updated_at: number;
}

export interface Progress {
  queued: number;
  done: number;
  failed: number;
  cancelled: number;
  chunks: number;
  current: string | null;
  chunks_per_second: number;
  seconds_left: number | null;
  paused: { reason: string } | null;
}

export type IngestEvent =
  | { event: "progress"; progress: Progress }
  | { event: "stage"; document: string; name: string; stage: string }
  | { event: "advanced"; document: string; name: string; stage: string; done: number; of: number }
  | { event: "done"; document: string; name: string; chunks: number; warnings: string[] }
  | { event: "failed"; name: string; reason: string }
  | { event: "queued" | "paused" | "removed" | "cancelled" | "idle" };

export interface SearchRequest {
  query: string;
  datasets: string[];
  top: number;
  vector_weight?: number;
  threshold?: number;
  rerank?: string;
  filter?: string;
  highlight: boolean;
}

export interface SearchAnswer {
  passages: Passage[];
  matching: number;
  total: number;
  warnings: string[];
  timings: Record<string, { secs: number; nanos: number }>;
}

export interface Model {
  id: string;
  owned_by: string;
  kind: string;
  description?: string | null;
  limits?: { context_tokens: number | null; output_tokens: number | null; dimensions: number | null };
  prices?: Record<string, number>;
}

export interface Provider {
  name: string;
  /** Whether the tenant brings it, so that it can be changed here. */
  own: boolean;
  /** Where its key comes from, or how it ends. */
  key: string | null;
  default_model?: string | null;
  like?: string | null;
  dialect?: string | null;
  base_url?: string | null;
  variables?: Record<string, string>;
  changed_at?: string;
}

/** How a provider answered when it was tried. */
export interface Tried {
  works: boolean;
  milliseconds: number;
  model?: string;
  answer?: string;
  error?: string;
}

export interface UsageGroup {
  by: Record<string, string | null>;
  calls: number;
  attempts: number;
  input_tokens: number;
  output_tokens: number;
  cost: number;
  unpriced: number;
  total_seconds: number;
}

export interface UsageAnswer {
  groups: UsageGroup[];
  total: UsageGroup;
  complete: boolean;
}

export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
}

export interface Latency {
  calls: number;
  total_seconds: Percentiles | null;
  first_event_seconds: Percentiles | null;
}

export interface LatencyAnswer {
  groups: (Latency & { by: Record<string, string | null> })[];
  total: Latency;
  complete: boolean;
}
