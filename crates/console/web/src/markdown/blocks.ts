// An answer that grows, cut into blocks: those before the last do not change any more, and are rendered once.

import { Lexer, type Token } from "marked";

export interface Block {
  /** Place in the answer. */
  start: number;
  end: number;
  /** Its Markdown: the answer's, and the opening line again where a long block of code was cut. */
  source: string;
}

/** A block that is longer than this is cut at a line, so that no step takes long, however long the answer is. */
const MOST_BLOCK = 3_000;

/** Text that one step looks at. */
const MOST_STEP = 6_000;

/** The blocks of a text that only grows. */
export class Blocks {
  /** In order, without gaps that hold more than space. */
  readonly settled: Block[] = [];
  /** Whether there is text that the last step did not reach. */
  isBehind = false;
  private at = 0;
  private opening = "";

  /** Takes one step, and gives the last block, which may still change. */
  advance(text: string, ended: boolean): Block | null {
    const window = text.slice(this.at, this.at + MOST_STEP);
    const reaches = this.at + window.length === text.length;
    const tokens = lex(this.opening + window);
    const settles = reaches && ended ? tokens.length : tokens.length - unsettled(tokens);
    let end = this.at - this.opening.length;
    for (const token of tokens.slice(0, Math.max(0, settles))) {
      end = Math.min(end + token.raw.length, text.length);
      this.settle(text, Math.max(end, this.at), token.type === "space");
    }
    const left = Math.min(text.length, this.at + MOST_STEP) - this.at;
    if (left > MOST_BLOCK) this.cut(text, tokens.at(-1));
    const last = text.slice(this.at, this.at + MOST_STEP);
    this.isBehind = this.at + last.length < text.length || (ended && last.trim() !== "" && !reaches);
    if (!last.trim()) return null;
    return { start: this.at, end: this.at + last.length, source: this.opening + last };
  }

  private settle(text: string, end: number, isSpace: boolean): void {
    const source = this.opening + text.slice(this.at, end);
    if (!isSpace && source.trim()) this.settled.push({ start: this.at, end, source });
    this.at = end;
    this.opening = "";
  }

  private cut(text: string, token: Token | undefined): void {
    const rest = text.slice(this.at, this.at + MOST_BLOCK);
    const line = rest.lastIndexOf("\n");
    const word = rest.lastIndexOf(" ");
    const least = MOST_BLOCK / 4;
    const length = line > least ? line + 1 : word > least ? word + 1 : rest.length;
    const opening = /^ {0,3}(?:`{3,}|~{3,})[^\n]*\n/.exec(this.opening + rest);
    this.settle(text, this.at + length, false);
    if (token?.type === "code" && opening) this.opening = opening[0];
  }
}

/** A length-keeping lexer: places in tokens are places in the text. */
function lex(source: string): Token[] {
  return new Lexer({ gfm: true }).blockTokens(source.replace(/\r/g, " "), []);
}

/** The last block may grow. So may a list before an empty line. */
function unsettled(tokens: Token[]): number {
  const isListAndSpace = tokens.at(-1)?.type === "space" && tokens.at(-2)?.type === "list";
  return isListAndSpace ? 2 : 1;
}
