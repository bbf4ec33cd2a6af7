import {
  DataError,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type Logger,
  type RandomStream,
} from '@graft/core';
import { z } from 'zod';
import { segmentsSpec } from './pack';
import { parsePosition } from '../datasets/position';
import { exampleOf } from '../rows/row-examples';
import { checkUsed, noText, type Cursor, type TokenChunk, type TokenSource } from './token-source';

export const TOKENS_FIELD: FieldSpec = {
  name: 'tokens',
  dtype: 'int32',
  rank: 1,
  meaning: 'token ids of one piece of text',
};

/** Tokens, and the number of each token's document within the window, from 1. */
type Window = Readonly<Record<'tokens' | 'segments', Int32Array>>;

/** An exact position in a source: a chunk, and how many of its tokens are used. */
interface SourcePosition<C extends Cursor> {
  readonly chunk: C;
  readonly used: number;
}

/** Cuts a source into windows, without gaps and without overlap. */
class Packer<C extends Cursor> {
  private chunk: TokenChunk<C> | undefined;
  /** The newest epoch that gave a token, or the one in which it began, which may be at its end. */
  private lastEpochWithTokens: number;

  constructor(
    private readonly source: TokenSource<C>,
    private at: SourcePosition<C>,
    private readonly onDropped?: (tokens: number) => void,
  ) {
    this.lastEpochWithTokens = at.chunk.epoch;
  }

  get place(): SourcePosition<C> {
    return this.at;
  }

  /** The next window of `length` tokens; undefined if fewer are left, which are dropped: `onDropped` gets their number. */
  async next(length: number): Promise<Window | undefined> {
    const window = new Int32Array(length);
    const segments = new Int32Array(length);
    let filled = 0;
    let segment = 1;
    let segmentStart = 0;
    while (filled < length) {
      this.chunk ??= await this.source.read(this.at.chunk);
      if (!this.chunk) {
        if (filled > 0) this.onDropped?.(filled);
        return undefined;
      }
      checkUsed(this.chunk, this.at.used);
      const { tokens, next } = this.chunk;
      const part = tokens.subarray(this.at.used, this.at.used + length - filled);
      window.set(part, filled);
      segments.fill(segment, filled, filled + part.length);
      filled += part.length;
      if (part.length > 0) this.lastEpochWithTokens = this.at.chunk.epoch;
      const used = this.at.used + part.length;
      if (used < tokens.length) {
        this.at = { chunk: this.at.chunk, used };
        continue;
      }
      if (next.epoch > this.lastEpochWithTokens + 1) {
        throw noText();
      }
      if (this.chunk.endsDocument && filled > segmentStart) {
        segment++;
        segmentStart = filled;
      }
      this.at = { chunk: next, used: 0 };
      this.chunk = undefined;
    }
    return { tokens: window, segments };
  }
}

const count = z.int().min(0);
const placeSchema = z.strictObject({ chunk: z.looseObject({ epoch: count }), used: count });

/** For data whose windows all have the length in the options. */
const positionSchema = z.strictObject({
  data: z.string(),
  /** Blocks before the current one. */
  block: count,
  /** Windows of the current block that are done. */
  done: count,
  /** Where the current block begins. */
  start: placeSchema,
});

/** The same for windows of requested lengths: blocks by the length of their windows. */
const cutPositionSchema = z.strictObject({
  data: z.string(),
  /** Where the next block of any length begins. */
  place: placeSchema,
  blocks: z.array(z.strictObject({ tokens: z.int().min(1), block: count, done: count, start: placeSchema.optional() })),
});

/** Windows of one length that were cut together and are shuffled together. */
interface Block<C extends Cursor> {
  /** Blocks of this length before it. */
  number: number;
  /** Its windows that are done. */
  done: number;
  /** Where it begins; undefined: at the current position of the source. */
  start?: SourcePosition<C>;
  loaded?: { readonly windows: readonly Window[]; readonly order: Int32Array };
}

/** How windows are cut and shuffled. */
export interface PackedOptions {
  readonly lengthTokens: number;
  /** Windows that are shuffled together; 1 keeps the source's order. They are in memory together. */
  readonly blockWindows: number;
  readonly random: RandomStream;
  /** Whether windows mark their documents as segments. Default false. */
  readonly segments?: boolean;
  /** Called once with the number of tokens at the end of the data that are too few for a window. */
  readonly onDropped?: (tokens: number) => void;
  /** Identifies the data, so that a position in other data is refused. */
  readonly fingerprint: string;
  /** Windows of `lengthTokens` in an epoch, and whether another epoch follows. Default: unknown. */
  readonly length?: number;
  readonly repeats?: boolean;
}

/**
 * Windows of `lengthTokens` tokens from a source, or of the length set with `cut`, shuffled in blocks of one length.
 * Every block is the next stretch of the source, so that no token is lost between lengths, and none comes twice. The
 * order is a function of the random stream and of the requested lengths alone; a position is the start of a block and a
 * number in it for each length: going back there reads only these blocks, however far into the data.
 */
export class PackedDataset<C extends Cursor> implements Dataset {
  readonly kind = 'examples';
  readonly fields: readonly FieldSpec[];
  readonly length?: number;
  readonly repeats?: boolean;
  private readonly blocks = new Map<number, Block<C>>();
  /** Where the next block begins. */
  private place: SourcePosition<C>;
  private packer: Packer<C> | undefined;
  private wanted: number;
  private hasDropped = false;

  constructor(
    private readonly source: TokenSource<C>,
    private readonly options: PackedOptions,
  ) {
    this.place = { chunk: source.start, used: 0 };
    this.wanted = options.lengthTokens;
    this.length = options.length;
    this.repeats = options.repeats;
    this.fields = options.segments ? [TOKENS_FIELD, segmentsSpec('segments')] : [TOKENS_FIELD];
  }

  cut(tokens: number | undefined): void {
    this.wanted = tokens ?? this.options.lengthTokens;
  }

  position(): JsonValue {
    const { fingerprint: data, lengthTokens } = this.options;
    const { place } = this;
    if ([...this.blocks.keys()].every((tokens) => tokens === lengthTokens)) {
      const { number = 0, done = 0, start = place } = this.blocks.get(lengthTokens) ?? {};
      return { data, block: number, done, start: { ...start } };
    }
    const blocks = [...this.blocks].map(([tokens, { number, done, start }]) => ({
      ...{ tokens, block: number, done },
      ...(start && { start: { ...start } }),
    }));
    return { data, place: { ...place }, blocks };
  }

  restore(position: JsonValue): Promise<void> {
    const { fingerprint, lengthTokens } = this.options;
    const placeOf = ({ chunk, used }: z.output<typeof placeSchema>): SourcePosition<C> => ({
      chunk: chunk as unknown as C,
      used,
    });
    const isCut = typeof position === 'object' && position !== null && 'blocks' in position;
    const { place, blocks } = isCut
      ? parsePosition(cutPositionSchema, position, fingerprint)
      : wholeCut(parsePosition(positionSchema, position, fingerprint), lengthTokens);
    this.place = placeOf(place);
    this.packer = undefined;
    this.blocks.clear();
    for (const { tokens, block: number, done, start } of blocks)
      this.blocks.set(tokens, { number, done, start: start && placeOf(start) });
    return Promise.resolve();
  }

  /** Reads what it skips: where a window begins depends on the tokens before it. */
  async skip(items: number): Promise<number> {
    let skipped = 0;
    while (skipped < items && (await this.next())) skipped++;
    return skipped;
  }

  dispose(): void {
    this.source.dispose?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    for (let window = await this.next(); window; window = await this.next()) {
      yield exampleOf(this.options.segments ? window : { tokens: window.tokens });
    }
    return undefined;
  }

  private async next(): Promise<Window | undefined> {
    const tokens = this.wanted;
    let block = this.blocks.get(tokens);
    if (!block) this.blocks.set(tokens, (block = { number: 0, done: 0 }));
    if (!block.loaded) {
      // A block that begins at the current position of the source has to be read before the source moves on.
      for (const [other, begun] of this.blocks)
        if (begun !== block && begun.done > 0 && !begun.start) begun.loaded = await this.load(other, begun);
      block.loaded = await this.load(tokens, block);
    }
    const { windows, order } = block.loaded;
    if (block.done >= windows.length) return undefined;
    const window = windows[order[block.done]];
    if (++block.done === windows.length) this.blocks.set(tokens, { number: block.number + 1, done: 0 });
    return window;
  }

  /** Every evaluation reads to the end again, and windows of several lengths are cut from one tail. */
  private dropped(tokens: number): void {
    if (this.hasDropped) return;
    this.hasDropped = true;
    this.options.onDropped?.(tokens);
  }

  private async load(tokens: number, block: Block<C>): Promise<NonNullable<Block<C>['loaded']>> {
    const { lengthTokens, blockWindows, random } = this.options;
    const isNext = block.start === undefined;
    const begin = { ...this.place };
    const packer = isNext
      ? (this.packer ??= new Packer(this.source, begin, (dropped) => this.dropped(dropped)))
      : new Packer(this.source, block.start!);
    const windows: Window[] = [];
    while (windows.length < blockWindows) {
      const window = await packer.next(tokens);
      if (!window) break;
      windows.push(window);
    }
    if (windows.length === 0 && [...this.blocks.values()].every(({ number, start }) => number === 0 && !start)) {
      throw new DataError(`The dataset holds fewer than ${tokens} tokens, which is one window.`, {
        code: 'data.too-short',
        exitCode: 2,
        hint: tokens === lengthTokens ? 'Lower lengthTokens, or give it more text.' : 'Give it more text.',
      });
    }
    if (isNext && windows.length > 0) {
      block.start = begin;
      this.place = packer.place;
    }
    // The remaining tokens may be enough for shorter windows.
    else if (isNext) this.packer = undefined;
    const shuffle = random.fork('block');
    const own = tokens === lengthTokens ? shuffle : shuffle.fork(`${tokens} tokens`);
    return { windows, order: own.fork(block.number).permutation(windows.length) };
  }
}

/** Reports the tail of data that do not repeat. */
export function droppedTail(logger: Logger, lengthTokens: number): (tokens: number) => void {
  return (tokens) =>
    logger.info(
      `The last ${tokens === 1 ? 'token' : `${tokens} tokens`} of the data were dropped: they do not fill a window of ${lengthTokens}.`,
    );
}

/** A position of data whose windows have one length, converted to the form for requested lengths. */
function wholeCut(
  { data, block, done, start }: z.output<typeof positionSchema>,
  tokens: number,
): z.output<typeof cutPositionSchema> {
  return { data, place: start, blocks: [{ tokens, block, done }] };
}
