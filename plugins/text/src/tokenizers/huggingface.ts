import { checkpointPath, readTokenizerFiles } from '@graft/checkpoint';
import { DataError, defineComponent, parseOptions, pathOption, type NamedToken, type Tokenizer } from '@graft/core';
import { readRegularFile, shortened } from '@graft/core/internal';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { namedTokensOf } from './named-tokens';
import { readObject, type ObjectBounds } from '../files/text-file';
import { TOKENIZER_BOUNDS } from './tokenizer-json/limits';
import { loadOniguruma } from './tokenizer-json/oniguruma';
import { TokenizerPipeline } from './tokenizer-json/pipeline';
import { Excessive, Unsupported } from './tokenizer-json/unsupported';

/** The options of the tokenizer `huggingface`. */
export const huggingfaceOptions = z.strictObject({
  path: pathOption().describe(
    'A folder with tokenizer.json (and tokenizer_config.json, if there is one), that file, a GGUF file, or `model:NAME`.',
  ),
  padToken: z
    .string()
    .min(1)
    .optional()
    .describe("Text of the padding token. Default: tokenizer_config.json's, otherwise `<pad>`."),
  eosToken: z
    .string()
    .min(1)
    .optional()
    .describe("Text of the end-of-sequence token. Default: tokenizer_config.json's, otherwise `<eos>` or `</s>`."),
  bosToken: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Text of the token that starts a sequence. Default: tokenizer_config.json's, otherwise `<bos>` or `<s>`.",
    ),
});

/** What a config or code may write. */
export type HuggingFaceOptions = z.input<typeof huggingfaceOptions>;
/** The same with every default filled in. */
export type ResolvedHuggingFaceOptions = z.output<typeof huggingfaceOptions>;

type Special = 'pad' | 'eos' | 'bos';
const USUAL_NAMES: Record<Special, readonly string[]> = {
  pad: ['<pad>'],
  eos: ['<eos>', '</s>'],
  bos: ['<bos>', '<s>'],
};

/**
 * A tokenizer.json of the Hugging Face tokenizers library: exactly the ids of that library, or an error when it is
 * opened.
 */
export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly padId: number;
  readonly eosId: number;
  readonly bosId: number;
  /** The folder of tokenizer.json; a chat template may be next to it. */
  readonly folder: string;
  private readonly cleansUp: boolean;
  private named: readonly NamedToken[] | undefined;
  /** Ids of special and unused tokens, as soon as bytes are counted. */
  private textless: ReadonlySet<number> | undefined;

  private constructor(
    private readonly pipeline: TokenizerPipeline,
    config: Readonly<Record<string, unknown>>,
    options: ResolvedHuggingFaceOptions,
    private readonly file: string,
  ) {
    // As the published tokenizers do: with BPE it would remove spaces of the text.
    this.cleansUp = config.clean_up_tokenization_spaces === true && !pipeline.isBpe;
    this.folder = dirname(file);
    this.vocabularySize = pipeline.size;
    const id = (kind: Special): number =>
      specialId(pipeline, kind, options[`${kind}Token`], config[`${kind}_token`], file);
    this.padId = id('pad');
    this.eosId = id('eos');
    this.bosId = id('bos');
  }

  /**
   * Throws DataError naming the file that is missing or wrong, the part of it that Graft cannot follow exactly, or the
   * special token that cannot be found.
   */
  static async open(given: HuggingFaceOptions): Promise<HuggingFaceTokenizer> {
    const options = parseOptions(huggingfaceOptions, given, 'HuggingFaceTokenizer');
    const path = await checkpointPath(options.path);
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new DataError(`There is no tokenizer at ${path}.`, { code: 'tokenizer.missing', exitCode: 2 });
    const file = found.isDirectory() ? join(path, 'tokenizer.json') : path;
    const tokenizer = await readJson(file, TOKENIZER_BOUNDS);
    if (!tokenizer) {
      throw new DataError(`${path} holds no tokenizer.json.`, {
        code: 'tokenizer.missing',
        exitCode: 2,
        hint: 'A tokenizer.model (SentencePiece) must be converted first: saving it with a "fast" tokenizer of transformers writes tokenizer.json.',
      });
    }
    const config = (await readJson(join(dirname(file), 'tokenizer_config.json'))) ?? {};
    const parse = await loadOniguruma();
    try {
      return new HuggingFaceTokenizer(new TokenizerPipeline(tokenizer, parse), config, options, file);
    } catch (cause) {
      if (!(cause instanceof Unsupported || cause instanceof Excessive)) throw cause;
      throw new DataError(`${file} cannot be used: ${cause.message}.`, {
        code: 'tokenizer.unsupported',
        hint: 'Its ids would not be those that the checkpoint was trained with, so Graft refuses it; docs/data.md lists what is supported.',
        cause,
      });
    }
  }

  get namedTokens(): readonly NamedToken[] {
    return (this.named ??= namedTokensOf(this.pipeline.added, this.pipeline.allTokens));
  }

  /**
   * Text that spells a special token (`<eos>`) becomes that token, as always with such files. Throws DataError for half
   * of a surrogate pair, which is not a character, and if the file needs unbounded work.
   */
  encode(text: string): Int32Array {
    return this.bounded(() => this.pipeline.encode(text));
  }

  separates(before: string, after: string): boolean {
    return this.pipeline.separates(before, after);
  }

  /** The token itself, U+2581 for a space and `<0x0A>` for a byte; undefined for an id outside the vocabulary. */
  piece(id: number): string | undefined {
    return this.pipeline.token(id);
  }

  /** The id of a token, written as `piece` gives it; undefined where the vocabulary lacks it. */
  idOf(token: string): number | undefined {
    return this.pipeline.idOf(token);
  }

  /** Tokens that the model alone makes of a word: without looking for added tokens, normalizing or splitting. */
  modelTokens(word: string): readonly string[] {
    return this.pipeline.model.encode(word).map((id) => this.pipeline.token(id)!);
  }

  /** Of the text as it is decoded: what a normalizer dropped or changed is not counted. */
  byteLength(id: number): number {
    this.textless ??= new Set(this.namedTokens.filter(({ kind }) => kind !== 'added').map((token) => token.id));
    return this.textless.has(id) ? 0 : this.bounded(() => this.pipeline.byteLength(id));
  }

  /** Ids outside the vocabulary are left out. */
  decode(ids: ArrayLike<number>, { keepSpecial = false }: { keepSpecial?: boolean } = {}): string {
    const text = this.bounded(() => this.pipeline.decode(ids, keepSpecial));
    return this.cleansUp ? cleanUpSpaces(text) : text;
  }

  /** Under the published names, with the chat template next to it. */
  async files(): Promise<Readonly<Record<string, Uint8Array>>> {
    const files = await readTokenizerFiles(this.folder);
    if (basename(this.file) === 'tokenizer.json') return files;
    return { ...files, 'tokenizer.json': await readRegularFile(this.file, TOKENIZER_BOUNDS) };
  }

  private bounded<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof Excessive)) throw cause;
      throw new DataError(`${this.file} cannot be used on this text: ${cause.message}.`, {
        code: 'tokenizer.excessive',
        hint: 'Published tokenizers ask for nothing of the kind: take the file from where the checkpoint comes from.',
        cause,
      });
    }
  }
}

/** As the published tokenizers do if tokenizer_config.json requests it. */
function cleanUpSpaces(text: string): string {
  return text
    .replace(/ ([.?!,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, '$1');
}

const readJson = (file: string, bounds?: ObjectBounds): Promise<Record<string, unknown> | undefined> =>
  readObject(file, { code: 'tokenizer.unreadable' }, 'tokenizer.json', bounds);

/** The id of a special token: by the name in the options, in the config, or by its usual name. */
function specialId(
  tokenizer: TokenizerPipeline,
  kind: Special,
  option: string | undefined,
  configured: unknown,
  file: string,
): number {
  const fromConfig =
    typeof configured === 'string' ? configured : (configured as { content?: unknown } | null | undefined)?.content;
  if (fromConfig !== undefined && typeof fromConfig !== 'string') {
    const found = shortened(JSON.stringify(configured), 60);
    throw new DataError(
      `${join(dirname(file), 'tokenizer_config.json')}: "${kind}_token" should be a text, but is ${found}.`,
      {
        code: 'tokenizer.json',
      },
    );
  }
  const names = option !== undefined ? [option] : fromConfig !== undefined ? [fromConfig] : USUAL_NAMES[kind];
  for (const name of names) {
    const id = tokenizer.idOf(name);
    if (id !== undefined) return id;
  }
  throw new DataError(
    `${file} has no ${kind} token: ${names.map((name) => shortened(JSON.stringify(name), 60)).join(' and ')} ${names.length > 1 ? 'are' : 'is'} not in its vocabulary.`,
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
