import {
  createRandom,
  type Dataset,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type JsonValue,
  type TokenizerFacts,
} from '@graft/core';
import { ToyTokenizer } from './tokenizer';

/** Options of `ToyDataset`. */
export interface ToyDatasetOptions {
  /** Fields of the items, each with the tokens of a random text. Default: `tokens`. */
  readonly fields?: readonly string[];
  /** Items per epoch. Default 12. */
  readonly items?: number;
  /** Longest item; the shortest has half as many tokens. Default 10. */
  readonly lengthTokens?: number;
  /** Epochs until the data end. Default: they never end. */
  readonly epochs?: number;
}

const LETTERS = 27;
const FIRST_LETTER = 4;

/** Random letters of `TOY_VOCABULARY`, each item a function of its index: the position is the index. */
export class ToyDataset implements Dataset {
  readonly kind = 'examples';
  readonly fields: readonly FieldSpec[];
  readonly length: number;
  readonly tokenizer: TokenizerFacts = new ToyTokenizer();
  private next = 0;
  private readonly last: number;
  private readonly longest: number;

  constructor({ fields = ['tokens'], items = 12, lengthTokens = 10, epochs = Infinity }: ToyDatasetOptions = {}) {
    this.fields = fields.map((name) => ({ name, dtype: 'int32', rank: 1, meaning: 'token ids of a random text' }));
    this.length = items;
    this.longest = lengthTokens;
    this.last = items * epochs;
  }

  position(): JsonValue {
    return { next: this.next };
  }

  async restore(position: JsonValue): Promise<void> {
    this.next = (position as { next: number }).next;
  }

  async skip(items: number): Promise<number> {
    const skipped = Math.min(items, this.last - this.next);
    this.next += skipped;
    return skipped;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    while (this.next < this.last) {
      yield this.item(this.next++ % this.length);
      if (this.next % this.length === 0) return;
    }
  }

  private item(index: number): HostFields {
    return Object.fromEntries(this.fields.map(({ name }) => [name, this.text(`${name} ${index}`)]));
  }

  private text(name: string): HostArray {
    const random = createRandom(0).fork(name);
    const half = Math.ceil(this.longest / 2);
    const length = half + random.integer(this.longest - half + 1);
    const values = Int32Array.from({ length }, () => FIRST_LETTER + random.integer(LETTERS));
    return { dtype: 'int32', shape: [length], values };
  }
}

/** The first `count` items of a `ToyDataset`, without reading it. */
export async function toyExamples(count: number, options: ToyDatasetOptions = {}): Promise<HostFields[]> {
  const examples: HostFields[] = [];
  const dataset = new ToyDataset({ ...options, items: Math.max(count, 1) });
  for await (const example of dataset) if (examples.push(example) >= count) break;
  return examples.slice(0, count);
}
