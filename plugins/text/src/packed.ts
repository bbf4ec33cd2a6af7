import {
  DataError,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type RandomStream,
} from '@graft/core';
import { z } from 'zod';
import { segmentsSpec } from './pack';
import { parsePosition } from './position';
import { exampleOf } from './row-examples';
import { checkUsed, noText, type Cursor, type TokenChunk, type TokenSource } from './token-source';

export const TOKENS_FIELD: FieldSpec = {
  name: 'tokens',
  dtype: 'int32',
  rank: 1,
  meaning: 'token ids of one piece of text',
};

/** Tokens, and which document of the window each belongs to, from 1 on. */
type Window = Readonly<Record<'tokens' | 'segments', Int32Array>>;

/** A place in a source to the token: a chunk, and how many of its tokens are used up. */
interface Place<C extends Cursor> {
  readonly chunk: C;
  readonly used: number;
}

/** Cuts a source into windows of one length, without gaps and without overlap. */
class Packer<C extends Cursor> {
  private chunk: TokenChunk<C> | undefined;
  /** The newest pass that gave a token, or the one that it began in: that one may be at its end. */
  private lastEpochWithTokens: number;

  constructor(
    private readonly source: TokenSource<C>,
    private readonly length: number,
    private at: Place<C>,
  ) {
    this.lastEpochWithTokens = at.chunk.epoch;
  }

  get place(): Place<C> {
    return this.at;
  }

  /** The next window; undefined when fewer tokens than a window are left, which are dropped. */
  async next(): Promise<Window | undefined> {
    const window = new Int32Array(this.length);
    const segments = new Int32Array(this.length);
    let filled = 0;
    let segment = 1;
    let segmentStart = 0;
    while (filled < this.length) {
      this.chunk ??= await this.source.read(this.at.chunk);
      if (!this.chunk) return undefined;
      checkUsed(this.chunk, this.at.used);
      const { tokens, next } = this.chunk;
      const part = tokens.subarray(this.at.used, this.at.used + this.length - filled);
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

const positionSchema = z.strictObject({
  data: z.string(),
  /** Blocks before the present one. */
  block: z.int().min(0),
  /** Windows of the present block that are done. */
  done: z.int().min(0),
  /** Where the present block begins. */
  start: z.strictObject({ chunk: z.looseObject({ epoch: z.int().min(0) }), used: z.int().min(0) }),
});

export interface PackedOptions {
  readonly lengthTokens: number;
  /** Windows that are shuffled among each other; 1 keeps the source's order. They are in memory together. */
  readonly blockWindows: number;
  readonly random: RandomStream;
  /** Whether windows tell their documents apart. Default false. */
  readonly segments?: boolean;
  /** Names the data, so that a position in other data is refused. */
  readonly fingerprint: string;
}

/**
 * Windows of `lengthTokens` tokens out of a source, shuffled in blocks. The order is a function of the random stream alone,
 * and a position is the start of a block and a number in it: going back there reads one block, however far into the data.
 */
export class PackedDataset<C extends Cursor> implements Dataset {
  readonly kind = 'examples';
  readonly fields: readonly FieldSpec[];
  private block = 0;
  private done = 0;
  private start: Place<C>;
  private packer: Packer<C> | undefined;
  private loaded: { windows: readonly Window[]; order: Int32Array } | undefined;

  constructor(
    private readonly source: TokenSource<C>,
    private readonly options: PackedOptions,
  ) {
    this.start = { chunk: source.start, used: 0 };
    this.fields = options.segments ? [TOKENS_FIELD, segmentsSpec('segments')] : [TOKENS_FIELD];
  }

  position(): JsonValue {
    return { data: this.options.fingerprint, block: this.block, done: this.done, start: { ...this.start } };
  }

  restore(position: JsonValue): Promise<void> {
    const { block, done, start } = parsePosition(positionSchema, position, this.options.fingerprint);
    this.block = block;
    this.done = done;
    this.start = { chunk: start.chunk as unknown as C, used: start.used };
    this.packer = undefined;
    this.loaded = undefined;
    return Promise.resolve();
  }

  /** Reads what it passes over: where a window begins depends on the tokens before it. */
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
    this.loaded ??= await this.load();
    const { windows, order } = this.loaded;
    if (this.done >= windows.length) return undefined;
    const window = windows[order[this.done]];
    if (++this.done === windows.length) {
      this.block++;
      this.done = 0;
      this.start = this.packer!.place;
      this.loaded = undefined;
    }
    return window;
  }

  private async load(): Promise<{ windows: readonly Window[]; order: Int32Array }> {
    const { lengthTokens, blockWindows, random } = this.options;
    this.packer ??= new Packer(this.source, lengthTokens, this.start);
    const windows: Window[] = [];
    while (windows.length < blockWindows) {
      const window = await this.packer.next();
      if (!window) break;
      windows.push(window);
    }
    if (windows.length === 0 && this.block === 0) {
      throw new DataError(`The dataset holds fewer than ${lengthTokens} tokens, which is one window.`, {
        code: 'data.too-short',
        hint: 'Lower lengthTokens, or give it more text.',
      });
    }
    return { windows, order: random.fork('block').fork(this.block).permutation(windows.length) };
  }
}
