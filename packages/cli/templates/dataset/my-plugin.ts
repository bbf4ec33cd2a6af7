import { defineComponent, type Dataset, type HostFields, type JsonValue, type RandomStream } from '@graft/core';
import { z } from 'zod';

/** Synthetic sequences in which each token is the one before plus a constant: an item is a function of its index. */
export const myPluginOptions = z.strictObject({
  items: z.int().positive().default(1000).describe('items per epoch'),
  lengthTokens: z.int().positive().default(32).describe('tokens of an item'),
  firstToken: z.int().nonnegative().default(4).describe('smallest token id; those before it are special'),
  tokens: z.int().positive().default(20).describe('number of different token ids'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export class MyPlugin implements Dataset {
  readonly kind = 'examples';
  readonly fields = [{ name: 'tokens', dtype: 'int32', rank: 1, meaning: 'token ids of one sequence' }] as const;
  readonly length: number;
  /** Index of the next item, over all epochs. */
  private next = 0;

  constructor(
    private readonly options: MyPluginOptions,
    private readonly random: RandomStream,
  ) {
    this.length = options.items;
  }

  /** Plain JSON: a checkpoint stores it, and a resumed run restores it. */
  position(): JsonValue {
    return { next: this.next };
  }

  async restore(position: JsonValue): Promise<void> {
    this.next = (position as { next: number }).next;
  }

  async skip(items: number): Promise<number> {
    this.next += items;
    return items;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    for (;;) {
      // The position is the next item's as soon as this one is handed over.
      const index = this.next++;
      yield this.item(index % this.length);
    }
  }

  private item(index: number): HostFields {
    const { lengthTokens, firstToken, tokens } = this.options;
    // A fork depends on nothing that was drawn before.
    const random = this.random.fork(index);
    const [first, step] = [random.integer(tokens), random.integer(tokens)];
    const values = Int32Array.from({ length: lengthTokens }, (_, i) => firstToken + ((first + i * step) % tokens));
    return { tokens: { dtype: 'int32', shape: [lengthTokens], values } };
  }
}

export const myPlugin = defineComponent({
  interface: 'dataset',
  id: 'my-plugin',
  description: 'synthetic sequences that count up in constant steps',
  options: myPluginOptions,
  useFactory: ({ options, random }) => new MyPlugin(options, random),
});
