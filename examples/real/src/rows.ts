import type { Tokenizer } from '@graft/core';
import type { Document } from './documents';

/** One row: the encoder reads the source, the decoder writes the target, which follows it in the text. */
export interface Row {
  readonly source: string;
  readonly target: string;
}

/** How documents become rows. */
export interface RowSettings {
  /** Rows fit `tokens` for each of these. */
  readonly tokenizers: readonly Tokenizer[];
  /** Most tokens of a source, and of a target. */
  readonly tokens: number;
  /** Share of the documents that is held out, in (0, 1). */
  readonly holdOut: number;
  /** Held-out rows that are measured. */
  readonly heldOutRows: number;
}

/** Rows of both splits, and what is not among them. */
export interface Rows {
  readonly train: readonly Row[];
  readonly heldOut: readonly Row[];
  /** Held-out rows of which most lines are also in a training document. */
  readonly known: number;
  /** Held-out rows beyond those that are measured. */
  readonly surplus: number;
}

/** Words of at most 32 characters with the space before them. They never divide a character. */
const PIECE = /\s{0,32}\S{1,32}|\s{1,32}/gu;
/** A shorter line may be in any two texts. */
const TELLING_CHARACTERS = 24;
/** Of a target's tokens, so that few positions of a batch are padding. */
const LEAST_FILL = 0.5;

/**
 * Divides documents into rows by their texts, not by one tokenizer's tokens: models with different tokenizers then read
 * and write the same bytes, and their losses per byte compare. The two parts of a row are equally long, as in the paper
 * (section 3.3), in tokens of whichever tokenizer needs most. A document's digest decides its split. A held-out row is
 * left out if most of its lines are in a training document: readmes of one project have much in common.
 */
export function divideDocuments(documents: readonly Document[], settings: RowSettings): Rows {
  const { holdOut, heldOutRows } = settings;
  const isHeldOut = ({ digest }: Document): boolean => parseInt(digest.slice(0, 8), 16) / 2 ** 32 < holdOut;
  const counter = new PieceCounter(settings.tokenizers);
  const rowsOf = ({ text }: Document): Row[] => divide(text, counter, settings.tokens);
  const training = documents.filter((document) => !isHeldOut(document));
  const lines = new Set(training.flatMap(({ text }) => tellingLines(text)));
  const held = documents.filter(isHeldOut).flatMap(rowsOf);
  const fresh = held.filter(({ source, target }) => isFresh(source + target, lines));
  // From all over the documents, not from the first few of them.
  const stride = Math.max(1, Math.floor(fresh.length / heldOutRows));
  const heldOut = fresh.filter((_, i) => i % stride === 0).slice(0, heldOutRows);
  return {
    train: training.flatMap(rowsOf),
    heldOut,
    known: held.length - fresh.length,
    surplus: fresh.length - heldOut.length,
  };
}

/** UTF-8 bytes of the targets: what the loss is divided by. */
export const targetBytes = (rows: readonly Row[]): number =>
  rows.reduce((sum, { target }) => sum + Buffer.byteLength(target), 0);

function tellingLines(text: string): string[] {
  return text.split('\n').flatMap((line) => (line.trim().length >= TELLING_CHARACTERS ? [line.trim()] : []));
}

function isFresh(text: string, known: ReadonlySet<string>): boolean {
  const lines = tellingLines(text);
  return lines.filter((line) => known.has(line)).length * 2 <= lines.length;
}

/** The end of a document that does not fill half a target is left out. */
function divide(text: string, counter: PieceCounter, tokens: number): Row[] {
  const pieces = text.match(PIECE) ?? [];
  const rows: Row[] = [];
  let at = 0;
  while (at < pieces.length) {
    const source = counter.take(pieces, at, tokens);
    const target = counter.take(pieces, at + source.pieces, tokens);
    if (target.tokens < tokens * LEAST_FILL) break;
    rows.push({ source: source.text, target: target.text });
    at += source.pieces + target.pieces;
  }
  return rows;
}

/** Counts tokens of pieces, each of which occurs many times. */
class PieceCounter {
  private readonly counted = new Map<string, number>();

  constructor(private readonly tokenizers: readonly Tokenizer[]) {}

  /** As many pieces from `start` on as have at most `tokens` tokens, one at least. */
  take(
    pieces: readonly string[],
    start: number,
    tokens: number,
  ): { readonly text: string; readonly pieces: number; readonly tokens: number } {
    let [end, sum] = [start, 0];
    while (end < pieces.length && (end === start || sum + this.count(pieces[end]) <= tokens))
      sum += this.count(pieces[end++]);
    // Pieces that are encoded together rarely have more tokens, but they may.
    for (; ; end--) {
      const text = pieces.slice(start, end).join('');
      const exact = text === '' ? 0 : this.most(text);
      if (exact <= tokens || end <= start + 1) return { text, pieces: end - start, tokens: exact };
    }
  }

  private count(piece: string): number {
    let count = this.counted.get(piece);
    if (count === undefined) {
      count = this.most(piece);
      if (this.counted.size < MOST_COUNTED) this.counted.set(piece, count);
    }
    return count;
  }

  private most(text: string): number {
    return Math.max(...this.tokenizers.map((tokenizer) => tokenizer.encode(text).length));
  }
}

const MOST_COUNTED = 500_000;
