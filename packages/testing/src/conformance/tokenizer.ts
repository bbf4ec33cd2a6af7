import { createRandom, type RandomStream, type Tokenizer } from '@graft/core';
import { check, type Check, type Make } from '../check';
import { numberDifference } from '../values';

/** What a tokenizer is tested with. */
export interface TokenizerOptions {
  /** Texts that must survive encoding and decoding. Default: some English sentences without line breaks. */
  readonly texts?: readonly string[];
  /** What decoding returns of a text, for a tokenizer that loses something (case, accents). Default: the text itself. */
  readonly decoded?: (text: string) => string;
  /** Pieces of which random texts are made, for `separates`. Default: letters, digits, blanks, line breaks, accents. */
  readonly alphabet?: readonly string[];
  /** Number of random texts. Default 300. */
  readonly count?: number;
}

const TEXTS: readonly string[] = ['a', 'the quick brown fox.', 'two  blanks and a word', 'aaaaaaaaaaaa', 'x y z'];

const ALPHABET: readonly string[] = [...'abcdeé ABZ019.,!?-\n\t', '  ', 'the', "n't", '\u00a0', 'ß', 'ö', '日', '🙂'];

function randomText(alphabet: readonly string[], random: RandomStream): string {
  return Array.from({ length: 1 + random.integer(8) }, () => alphabet[random.integer(alphabet.length)]).join('');
}

const shown = (text: string): string => JSON.stringify(text);

/** Checks of a Tokenizer: ids are in range, texts round-trip, and `separates` is true (on random texts). */
export function tokenizer(
  make: Make<Tokenizer>,
  { texts = TEXTS, decoded = (text) => text, alphabet = ALPHABET, count = 300 }: TokenizerOptions = {},
): readonly Check[] {
  const randomTexts = (): string[] => {
    const random = createRandom(11);
    return Array.from({ length: count }, (_, i) => randomText(alphabet, random.fork(i)));
  };
  return [
    check('tokenizer', 'encode', 'all ids of a text are integers of the vocabulary', async (broken) => {
      const made = await make();
      for (const text of ['', ...texts, ...randomTexts()]) {
        const ids = made.encode(text);
        if (!(ids instanceof Int32Array)) broken(`encode(${shown(text)}) returned no Int32Array.`);
        const odd = ids.find((id) => id < 0 || id >= made.vocabularySize);
        if (odd !== undefined)
          broken(`encode(${shown(text)}) returned the id ${odd}; the vocabulary ends at ${made.vocabularySize - 1}.`);
      }
    }),
    check('tokenizer', 'encode', 'the same text has the same ids, whatever was encoded before', async (broken) => {
      const [first, second] = [await make(), await make()];
      const all = [...texts, ...randomTexts()];
      const before = all.map((text) => first.encode(text));
      for (const [i, text] of [...all.entries()].reverse()) {
        const difference = numberDifference(before[i], second.encode(text));
        if (difference !== undefined) broken(`encode(${shown(text)}) returned ${difference} the second time.`);
      }
    }),
    check(
      'tokenizer',
      'encode',
      'ids of a text contain neither bos nor eos, and an empty text has none',
      async (broken) => {
        const made = await make();
        for (const text of texts) {
          const special = made.encode(text).find((id) => id === made.bosId || id === made.eosId);
          if (special !== undefined) broken(`encode(${shown(text)}) contains the special token ${special}.`);
        }
        if (made.encode('').length > 0) broken(`encode("") returned ${made.encode('').length} ids.`);
      },
    ),
    check('tokenizer', 'decode', 'decoding the ids of a text returns the text', async (broken) => {
      const made = await make();
      for (const text of ['', ...texts]) {
        const back = made.decode(made.encode(text));
        if (back !== decoded(text)) broken(`${shown(text)} came back as ${shown(back)}.`);
      }
    }),
    check('tokenizer', 'decode', 'decoding leaves special tokens out unless keepSpecial is set', async (broken) => {
      const made = await make();
      for (const text of texts) {
        const ids = [made.bosId, ...made.encode(text), made.eosId, made.padId];
        if (made.decode(ids) !== decoded(text))
          broken(`bos, ${shown(text)}, eos and pad came back as ${shown(made.decode(ids))}.`);
      }
      const kept = made.decode([made.bosId, made.eosId], { keepSpecial: true });
      if (kept === '') broken('with keepSpecial, bos and eos came back as an empty text.');
    }),
    check('tokenizer', 'namedTokens', 'special and named tokens are distinct ids of the vocabulary', async (broken) => {
      const { vocabularySize, padId, bosId, eosId, namedTokens = [] } = await make();
      if (!Number.isInteger(vocabularySize) || vocabularySize < 1) broken(`vocabularySize is ${vocabularySize}.`);
      const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < vocabularySize;
      for (const [name, id] of Object.entries({ padId, bosId, eosId }))
        if (!isId(id)) broken(`${name} is ${id}, but the vocabulary has the ids 0 to ${vocabularySize - 1}.`);
      const seen = new Set<number>();
      for (const { id, token } of namedTokens) {
        if (!isId(id)) broken(`namedTokens has ${token} with the id ${id}, which is not in the vocabulary.`);
        if (seen.has(id)) broken(`namedTokens has the id ${id} twice.`);
        seen.add(id);
      }
    }),
    check('tokenizer', 'byteLength', 'the bytes of the tokens of a text are those of the text', async (broken) => {
      const made = await make();
      if (!made.byteLength) return;
      const of = (ids: Int32Array): number => ids.reduce((sum, id) => sum + made.byteLength!(id), 0);
      for (const text of texts) {
        // A difference, since some tokenizers add a space before a text, or drop one there.
        const whole = of(made.encode(`${text} ${text}`)) - of(made.encode(text));
        const expected = Buffer.byteLength(decoded(`${text} ${text}`)) - Buffer.byteLength(decoded(text));
        if (whole !== expected)
          broken(`the tokens of ${shown(text)} after a space have ${whole} bytes, the text has ${expected}.`);
      }
      for (const id of [made.bosId, made.eosId, made.padId, made.vocabularySize])
        if (made.byteLength(id) !== 0)
          broken(`the token ${id}, which stands for no text, has ${made.byteLength(id)} bytes.`);
    }),
    check(
      'tokenizer',
      'files',
      'files are texts or bytes under plain names, and the same every time',
      async (broken) => {
        const made = await make();
        if (!made.files) return;
        const [files, again] = [await made.files(), await (await make()).files!()];
        for (const [name, content] of Object.entries(files)) {
          if (!/^[^./\\\0][^/\\\0]*$/.test(name)) broken(`the file ${shown(name)} is in a folder or hidden.`);
          if (typeof content !== 'string' && !(content instanceof Uint8Array))
            broken(`the file ${shown(name)} is neither a text nor a Uint8Array.`);
          if (!Buffer.from(content).equals(Buffer.from(again[name] ?? '')))
            broken(`the file ${shown(name)} differs the second time.`);
        }
      },
    ),
    check('tokenizer', 'separates', 'where separates is true, both parts have the ids of the whole', async (broken) => {
      const made = await make();
      if (!made.separates) return;
      const all = [...texts, ...randomTexts()];
      for (const [i, before] of all.entries()) {
        const after = all[(i * 7 + 3) % all.length];
        if (!made.separates([...before].at(-1)!, [...after][0])) continue;
        const parts = [...made.encode(before), ...made.encode(after)];
        const difference = numberDifference(made.encode(before + after), parts);
        if (difference !== undefined)
          broken(`${shown(before)} and ${shown(after)} are separated, but the whole differs: ${difference}.`);
      }
    }),
  ];
}
