import type { NamedToken, Tokenizer } from '@graft/core';

/** Pieces of the toy vocabulary by id: four special tokens with the ids of Gemma's, a space, letters, a full stop. */
export const TOY_VOCABULARY: readonly string[] = [
  '<pad>',
  '<eos>',
  '<bos>',
  '<unk>',
  ' ',
  ...'abcdefghijklmnopqrstuvwxyz',
  '.',
];

const UNKNOWN_ID = 3;
const IDS: ReadonlyMap<string, number> = new Map(TOY_VOCABULARY.map((piece, id) => [piece, id]));

/** One token for each character of `TOY_VOCABULARY`; every other character becomes `<unk>`, which decodes to U+FFFD. */
export class ToyTokenizer implements Tokenizer {
  readonly vocabularySize = TOY_VOCABULARY.length;
  readonly padId = 0;
  readonly eosId = 1;
  readonly bosId = 2;
  readonly namedTokens: readonly NamedToken[] = TOY_VOCABULARY.slice(0, 4).map((token, id) => ({
    id,
    token,
    kind: 'special',
  }));

  encode(text: string): Int32Array {
    return Int32Array.from([...text], (character) => IDS.get(character) ?? UNKNOWN_ID);
  }

  decode(ids: ArrayLike<number>, { keepSpecial = false }: { keepSpecial?: boolean } = {}): string {
    return Array.from(ids, (id) => {
      if (keepSpecial) return TOY_VOCABULARY[id] ?? '\uFFFD';
      if (id < UNKNOWN_ID) return '';
      return id === UNKNOWN_ID ? '\uFFFD' : (TOY_VOCABULARY[id] ?? '\uFFFD');
    }).join('');
  }

  /** Every character is a token. */
  separates(): boolean {
    return true;
  }
}
