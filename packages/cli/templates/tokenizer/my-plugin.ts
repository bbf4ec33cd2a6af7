import { defineComponent, type NamedToken, type Tokenizer } from '@graft/core';
import { z } from 'zod';

/** One token for each character of an alphabet, after four special tokens with the ids of Gemma's. */
export const myPluginOptions = z.strictObject({
  alphabet: z
    .string()
    .min(1)
    .default(' abcdefghijklmnopqrstuvwxyz.,!?')
    .describe('the characters that have a token; all others become <unk>'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

const SPECIAL: readonly string[] = ['<pad>', '<eos>', '<bos>', '<unk>'];
const [PAD, EOS, BOS, UNKNOWN] = [0, 1, 2, 3];

export class MyPlugin implements Tokenizer {
  readonly padId = PAD;
  readonly eosId = EOS;
  readonly bosId = BOS;
  readonly vocabularySize: number;
  readonly namedTokens: readonly NamedToken[] = SPECIAL.map((token, id) => ({ id, token, kind: 'special' }));
  private readonly pieces: readonly string[];
  private readonly ids: ReadonlyMap<string, number>;

  constructor({ alphabet }: MyPluginOptions) {
    const characters = [...new Set(alphabet)];
    this.pieces = [...SPECIAL, ...characters];
    this.vocabularySize = this.pieces.length;
    this.ids = new Map(characters.map((character, i) => [character, SPECIAL.length + i]));
  }

  encode(text: string): Int32Array {
    return Int32Array.from([...text], (character) => this.ids.get(character) ?? UNKNOWN);
  }

  decode(ids: ArrayLike<number>, { keepSpecial = false }: { keepSpecial?: boolean } = {}): string {
    const shown = Array.from(ids).filter((id) => keepSpecial || id >= SPECIAL.length);
    return shown.map((id) => this.pieces[id] ?? '').join('');
  }

  /** Every character has its own token, so a text may be cut anywhere. */
  separates(): boolean {
    return true;
  }
}

export const myPlugin = defineComponent({
  interface: 'tokenizer',
  id: 'my-plugin',
  description: 'one token for each character of an alphabet',
  options: myPluginOptions,
  useFactory: ({ options }) => new MyPlugin(options),
});
