import { DataError, defineComponent, pathOption, type NamedToken, type Tokenizer } from '@graft/core';
import { Tokenizer as TokenizerJson } from '@huggingface/tokenizers';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { namedTokensOf, type AddedTokenEntry } from './named-tokens';
import { createWordEncoder, type TokenizerParts } from './word-encoder';

export const huggingfaceOptions = z.strictObject({
  /** A folder with tokenizer.json (and tokenizer_config.json, if there is one), or that file. */
  path: pathOption(),
  /** Text of the padding token. Default: tokenizer_config.json's, else `<pad>`. */
  padToken: z.string().min(1).optional(),
  /** Text of the end-of-sequence token. Default: tokenizer_config.json's, else `<eos>` or `</s>`. */
  eosToken: z.string().min(1).optional(),
  /** Text of the token that starts a sequence. Default: tokenizer_config.json's, else `<bos>` or `<s>`. */
  bosToken: z.string().min(1).optional(),
});

export type HuggingFaceOptions = z.output<typeof huggingfaceOptions>;

type Special = 'pad' | 'eos' | 'bos';
const USUAL_NAMES: Record<Special, readonly string[]> = {
  pad: ['<pad>'],
  eos: ['<eos>', '</s>'],
  bos: ['<bos>', '<s>'],
};

/** A tokenizer.json of the Hugging Face tokenizers library: BPE (byte fallback included), Unigram, WordPiece. */
export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly padId: number;
  readonly eosId: number;
  readonly bosId: number;
  private readonly cleansUp: boolean;
  private named: readonly NamedToken[] | undefined;

  private constructor(
    private readonly inner: TokenizerJson,
    /** Encodes as the library does, many times as fast, where the tokenizer allows it. */
    private readonly encodeWords: ((text: string) => Int32Array) | undefined,
    config: Readonly<Record<string, unknown>>,
    options: HuggingFaceOptions,
    file: string,
    private readonly added: readonly AddedTokenEntry[],
  ) {
    // The library's own default would eat spaces before full stops.
    this.cleansUp = config.clean_up_tokenization_spaces === true;
    this.vocabularySize = inner.model!.vocab.length;
    const id = (kind: Special): number =>
      specialId(inner, kind, options[`${kind}Token`], config[`${kind}_token`], file);
    this.padId = id('pad');
    this.eosId = id('eos');
    this.bosId = id('bos');
  }

  /** Throws DataError naming the file that is missing or wrong, or the special token that cannot be found. */
  static async open(options: HuggingFaceOptions): Promise<HuggingFaceTokenizer> {
    const { path } = options;
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new DataError(`There is no tokenizer at ${path}.`, { code: 'tokenizer.missing', exitCode: 2 });
    const file = found.isDirectory() ? join(path, 'tokenizer.json') : path;
    const tokenizer = await readJson(file);
    if (!tokenizer) {
      throw new DataError(`${path} holds no tokenizer.json.`, {
        code: 'tokenizer.missing',
        exitCode: 2,
        hint: 'A tokenizer.model (SentencePiece) must be converted first: saving it with a "fast" tokenizer of transformers writes tokenizer.json.',
      });
    }
    const config = (await readJson(join(dirname(file), 'tokenizer_config.json'))) ?? {};
    let inner: TokenizerJson;
    try {
      // Older files leave these keys out where they mean "none".
      const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
      inner = new TokenizerJson({ ...absent, ...tokenizer }, config);
    } catch (cause) {
      throw new DataError(`${file} is no tokenizer that can be used here: ${(cause as Error).message}.`, {
        code: 'tokenizer.unsupported',
        cause,
      });
    }
    keepByteOrderMarks(inner);
    const encodeWords = createWordEncoder(inner, tokenizer as TokenizerParts, config);
    const added = (tokenizer.added_tokens ?? []) as readonly AddedTokenEntry[];
    return new HuggingFaceTokenizer(inner, encodeWords, config, options, file, added);
  }

  get namedTokens(): readonly NamedToken[] {
    return (this.named ??= namedTokensOf(this.added, this.inner.model!.vocab));
  }

  /** Text that spells a special token (`<eos>`) becomes that token, as everywhere with such files. */
  encode(text: string): Int32Array {
    if (text === '') return new Int32Array(0);
    return this.encodeWords
      ? this.encodeWords(text)
      : Int32Array.from(this.inner.encode(text, { add_special_tokens: false }).ids);
  }

  /** The token itself, U+2581 for a space and `<0x0A>` for a byte; undefined for an id outside the vocabulary. */
  piece(id: number): string | undefined {
    return this.inner.id_to_token(id);
  }

  /** The id of a token, written as `piece` gives it; undefined where the vocabulary lacks it. */
  idOf(token: string): number | undefined {
    return this.inner.token_to_id(token);
  }

  /** Tokens that the model alone makes of a word: no added token is looked for, nothing normalised or split before. */
  modelTokens(word: string): readonly string[] {
    return (this.inner.model as unknown as (words: readonly string[]) => string[])([word]);
  }

  /** Ids outside the vocabulary are left out. */
  decode(ids: ArrayLike<number>, { keepSpecial = false }: { keepSpecial?: boolean } = {}): string {
    const { vocab } = this.inner.model!;
    const known = Array.from(ids).filter((id) => vocab[id] !== undefined);
    if (known.length === 0) return '';
    return this.inner.decode(known, { skip_special_tokens: !keepSpecial, clean_up_tokenization_spaces: this.cleansUp });
  }
}

/**
 * The library loses U+FEFF where a text or a run of bytes begins with it: there it is no byte order mark, but a character
 * like any other, and the published library keeps it.
 */
function keepByteOrderMarks({ decoder }: TokenizerJson): void {
  type Part = { decoders?: Part[]; text_decoder?: unknown };
  const visit = (part: Part): void => {
    if (part.text_decoder) part.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    part.decoders?.forEach(visit);
  };
  if (decoder) visit(decoder as Part);
}

async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DataError(`${file} cannot be read: ${(cause as Error).message}.`, {
      code: 'tokenizer.unreadable',
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new SyntaxError('it holds no object');
  } catch (cause) {
    throw new DataError(`${file} is no valid JSON file: ${(cause as Error).message}.`, {
      code: 'tokenizer.json',
      cause,
    });
  }
}

/** The id of a special token: as the option names it, as the config does, or as it is usually called. */
function specialId(
  tokenizer: TokenizerJson,
  kind: Special,
  option: string | undefined,
  configured: unknown,
  file: string,
): number {
  const fromConfig =
    typeof configured === 'string' ? configured : (configured as { content?: string } | null | undefined)?.content;
  const names = option !== undefined ? [option] : fromConfig !== undefined ? [fromConfig] : USUAL_NAMES[kind];
  for (const name of names) {
    const id = tokenizer.token_to_id(name);
    if (id !== undefined) return id;
  }
  throw new DataError(
    `${file} has no ${kind} token: ${names.map((name) => `"${name}"`).join(' and ')} ${names.length > 1 ? 'are' : 'is'} not in its vocabulary.`,
    {
      code: 'tokenizer.special-token',
      hint: `Name it with the option ${kind}Token.`,
    },
  );
}

export const huggingface = defineComponent({
  interface: 'tokenizer',
  id: 'huggingface',
  description: 'a tokenizer.json as published with checkpoints',
  options: huggingfaceOptions,
  useFactory: ({ options }) => HuggingFaceTokenizer.open(options),
});
