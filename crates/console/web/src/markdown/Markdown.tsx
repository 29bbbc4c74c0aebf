// An answer's Markdown, as it grows.

import { Component, type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { PlacedCitation } from "../chat/turn";
import { Blocks, type Block } from "./blocks";
import { colour, whenIdle } from "./highlight";
import { rendered, type Mark } from "./render";

export interface OnCite {
  open: (citation: PlacedCitation) => void;
  /** Its button, while the pointer or the focus is there; else nothing. */
  peek: (citation: PlacedCitation, button: HTMLElement | null) => void;
}

interface Props {
  text: string;
  ended: boolean;
  citations: PlacedCitation[];
  onCite: OnCite;
}

interface Placed {
  mark: Mark;
  citation: PlacedCitation;
}

export function Markdown({ text, ended, citations, onCite }: Props): ComponentChildren {
  const blocks = useRef<Blocks | null>(null);
  const seen = useRef("");
  const [, again] = useState(0);
  if (!blocks.current || !text.startsWith(seen.current.slice(0, 64)) || text.length < seen.current.length) {
    blocks.current = new Blocks();
  }
  seen.current = text;
  const last = blocks.current.advance(text, ended);
  const { isBehind, settled } = blocks.current;
  useEffect(() => {
    if (!isBehind) return;
    const frame = requestAnimationFrame(() => again((count) => count + 1));
    return () => cancelAnimationFrame(frame);
  });
  const all = last && !isBehind ? [...settled, last] : settled;
  const marks = placed(all, citations);
  const groups: ComponentChildren[] = [];
  for (let from = 0; from < all.length; from += GROUP) {
    const to = from + GROUP;
    groups.push(<Group key={from} from={from} blocks={all.slice(from, to)} settled={settled.length} marks={marks} onCite={onCite} />);
  }
  return <div class="markdown">{groups}</div>;
}

/** Blocks that are looked at, laid out and skipped together. */
const GROUP = 16;

/** Has the renderer compiled before the first answer needs it. */
export function warmUp(): void {
  const sample = "# A\n\n*b* `c` [d](https://example.org)\n\n- e\n\n|f|\n|-|\n|g|\n\n```js\nh\n```\n\n";
  whenIdle(() => {
    for (let round = 0; round < 5; round++) rendered(sample, [{ at: 3, label: 1 }], { open: () => {} });
  });
}

interface GroupProps {
  from: number;
  blocks: Block[];
  settled: number;
  marks: Map<number, Placed[]>;
  onCite: OnCite;
}

/** A group is drawn again only when something in it changed: a long answer has thousands of blocks. */
class Group extends Component<GroupProps> {
  override shouldComponentUpdate(next: GroupProps): boolean {
    const now = this.props;
    const same = next.blocks.length === now.blocks.length && next.blocks.every((block, at) => block === now.blocks[at]);
    const end = now.from + GROUP;
    return !same || Math.min(next.settled, end) !== Math.min(now.settled, end) || keys(next) !== keys(now);
  }

  override render({ from, blocks, settled, marks, onCite }: GroupProps): ComponentChildren {
    return (
      <div class="group">
        {blocks.map((block, at) => (
          <Piece
            key={at}
            block={block}
            marks={marks.get(from + at) ?? NONE}
            isSettled={from + at < settled}
            onCite={onCite}
          />
        ))}
      </div>
    );
  }
}

function keys({ marks, from, blocks }: GroupProps): string {
  if (marks.size === 0) return "";
  return blocks.map((_, at) => key(marks.get(from + at) ?? NONE)).join("|");
}

const key = (marks: Placed[]) => marks.map(({ mark }) => `${mark.at}:${mark.label}`).join();

const NONE: Placed[] = [];

/** The citations of each block: those whose end is in it, once per source and place. */
function placed(blocks: Block[], citations: PlacedCitation[]): Map<number, Placed[]> {
  const found = new Map<number, Placed[]>();
  const known = new Set<string>();
  for (const citation of citations) {
    const label = citation.passage + 1;
    const key = `${citation.at} ${label}`;
    if (known.has(key)) continue;
    known.add(key);
    const number = blockAt(blocks, citation.at);
    const block = blocks[number];
    if (!block) continue;
    const at = citation.at - block.end + block.source.length;
    const marks = found.get(number) ?? [];
    marks.push({ mark: { at: Math.min(at, block.source.trimEnd().length), label }, citation });
    found.set(number, marks);
  }
  return found;
}

/** The block that holds the character before this place. */
function blockAt(blocks: Block[], at: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((blocks[middle]?.start ?? 0) < at) low = middle;
    else high = middle - 1;
  }
  return low;
}

interface PieceProps {
  block: Block;
  marks: Placed[];
  isSettled: boolean;
  onCite: OnCite;
}

function Piece({ block, marks, isSettled, onCite }: PieceProps): ComponentChildren {
  const element = useRef<HTMLDivElement>(null);
  const marked = key(marks);
  useLayoutEffect(() => {
    const citation = (mark: Mark) => marks.find((one) => one.mark === mark)?.citation;
    const fragment = rendered(block.source, marks.map(({ mark }) => mark), {
      open: (mark) => {
        const meant = citation(mark);
        if (meant) onCite.open(meant);
      },
      peek: (mark, button) => {
        const meant = citation(mark);
        if (meant) onCite.peek(meant, button);
      },
    });
    element.current?.replaceChildren(fragment);
  }, [block.source, marked]);
  useEffect(() => {
    if (isSettled && element.current) colour(element.current);
  }, [block.source, marked, isSettled]);
  return <div class="block" ref={element} />;
}
