import type { Dataset, HostFields, JsonValue } from '@graft/core';
import { TOKENS_FIELD } from './packed';
import { exampleOf } from '../rows/row-examples';
import { checkUsed, noText, type Cursor, type TokenChunk, type TokenSource } from './token-source';

/** The documents of a source, one per example; for packing, which keeps the positions valid. */
export class Documents<C extends Cursor> implements Dataset {
  readonly kind = 'examples';
  readonly fields = [TOKENS_FIELD];
  /** The chunk in which the next document begins, and the number of its tokens that are used. */
  private at: { chunk: C; used: number };

  /** A document of more than `longest` tokens is split into several parts. Default: it stays whole. */
  constructor(
    private readonly source: TokenSource<C>,
    private readonly longest = Infinity,
  ) {
    this.at = { chunk: source.start, used: 0 };
  }

  position(): JsonValue {
    return { ...this.at };
  }

  restore(position: JsonValue): Promise<void> {
    this.at = { ...(position as { chunk: C; used: number }) };
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    let parts: Int32Array[] = [];
    let length = 0;
    let { chunk: cursor, used } = this.at;
    /** The newest epoch that gave a token, or the one in which this began. */
    let epochWithTokens = cursor.epoch;
    let chunk: TokenChunk<C> | undefined;
    for (;;) {
      chunk ??= await this.source.read(cursor);
      if (!chunk) break;
      checkUsed(chunk, used);
      const part = chunk.tokens.subarray(used, used + this.longest - length);
      if (part.length > 0) {
        parts.push(part);
        length += part.length;
        epochWithTokens = cursor.epoch;
      }
      used += part.length;
      const chunkEnds = used >= chunk.tokens.length;
      const documentEnds = (chunkEnds && chunk.endsDocument) || length >= this.longest;
      if (chunkEnds) {
        if (chunk.next.epoch > epochWithTokens + 1) throw noText();
        ({ next: cursor } = chunk);
        used = 0;
        chunk = undefined;
      }
      if (!documentEnds || length === 0) continue;
      this.at = { chunk: cursor, used };
      const tokens = join(parts, length);
      [parts, length] = [[], 0];
      yield exampleOf({ tokens });
    }
    if (length > 0) {
      this.at = { chunk: cursor, used };
      yield exampleOf({ tokens: join(parts, length) });
    }
    return undefined;
  }

  dispose(): void {
    this.source.dispose?.();
  }
}

function join(parts: readonly Int32Array[], length: number): Int32Array {
  const tokens = new Int32Array(length);
  let at = 0;
  for (const part of parts) {
    tokens.set(part, at);
    at += part.length;
  }
  return tokens;
}
