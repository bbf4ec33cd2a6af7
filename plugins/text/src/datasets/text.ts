import {
  appendsEos,
  defineComponent,
  type ComponentContext,
  type Dataset,
  type RandomStream,
  type Tokenizer,
} from '@graft/core';
import { z } from 'zod';
import { decodeText } from '../files/file-bytes';
import { excludeOption, filesOption, findFiles, fingerprint, type DataFile } from '../files/find-files';
import { belongs, splitOption } from './hold-out';
import { tokenizerOption } from '../tokenizers/option';
import { atPlace, isOfText } from '../tokenizers/of-text';
import { packOption } from '../packing/pack';
import { packDocuments } from '../packing/pack-dataset';
import { droppedTail, PackedDataset } from '../packing/packed';
import { PieceReader } from '../files/pieces';
import { vocabularies, withTokenizer } from './with-tokenizer';
import { withEos, type TokenChunk, type TokenSource } from '../packing/token-source';

/** The options of the dataset `text`. */
export const textOptions = z
  .strictObject({
    files: filesOption.describe('Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several.'),
    exclude: excludeOption.describe(
      'Patterns of files to leave out, matched against absolute paths, as in `**/CHANGELOG.md`.',
    ),
    tokenizer: tokenizerOption(),
    lengthTokens: z.int().min(2).describe('Tokens in an example; with a tokenizer for each side, of the decoder.'),
    separator: z
      .string()
      .min(1)
      .optional()
      .describe('The separator of documents within a file, such as "\\n\\n". Default: a file is one document.'),
    segments: z.boolean().default(false).describe('Whether attention stays within each document of a window.'),
    pack: packOption
      .optional()
      .describe(
        'Packs several whole documents into each row of `lengthTokens`; attention does not cross them. Default: windows.',
      ),
    split: splitOption.describe('Holds a fraction of the documents out of training. Default: all documents are given.'),
    appendEos: z
      .boolean()
      .default(true)
      .describe("Puts an end-of-sequence token behind every document, unless the run's policy sets something else."),
    shuffle: z
      .boolean()
      .default(true)
      .describe(
        'Gives the files in a different order in every epoch, and shuffles windows in blocks of `shuffleWindows`.',
      ),
    shuffleWindows: z
      .int()
      .positive()
      .default(256)
      .describe('Windows that are shuffled together, and are in memory together.'),
    repeat: z.boolean().default(true).describe('Begins again at the end of the files.'),
  })
  .superRefine(({ pack }, context) => {
    for (const key of ['sourceTokens', 'targetTokens'] as const)
      if (pack?.[key] !== undefined)
        context.addIssue({ code: 'custom', path: ['pack', key], message: 'only data with source and target have it' });
  });

/** What a config or code may write. */
export type TextOptions = z.input<typeof textOptions>;
/** The same with every default filled in. */
export type ResolvedTextOptions = z.output<typeof textOptions>;

/**
 * Position in the files: `file` counts in the order of that epoch. A document that continues was chosen or left out
 * before.
 */
type TextCursor = {
  readonly epoch: number;
  readonly file: number;
  readonly offset: number;
  readonly document: 'new' | 'kept' | 'left out';
};

export interface TextSourceOptions {
  readonly tokenizer: Tokenizer;
  readonly reader: PieceReader;
  readonly random: RandomStream;
  readonly appendEos: boolean;
  readonly shuffle: boolean;
  readonly repeat: boolean;
  readonly split?: ResolvedTextOptions['split'];
}

const NOTHING = new Int32Array(0);

/** Documents from text files (UTF-8), one after the other, a piece at a time. */
export class TextSource implements TokenSource<TextCursor> {
  readonly start: TextCursor = { epoch: 0, file: 0, offset: 0, document: 'new' };
  private order: { epoch: number; files: Int32Array } | undefined;

  constructor(
    private readonly files: readonly DataFile[],
    private readonly options: TextSourceOptions,
  ) {}

  async read(cursor: TextCursor): Promise<TokenChunk<TextCursor> | undefined> {
    if (cursor.file >= this.files.length) {
      const next = { ...this.start, epoch: cursor.epoch + 1 };
      return this.options.repeat ? { tokens: NOTHING, endsDocument: true, next } : undefined;
    }
    const { tokenizer, reader, appendEos } = this.options;
    const file = this.files[this.orderOf(cursor.epoch)[cursor.file]];
    const piece = await reader.read(file, cursor.offset);
    const text = decodeText(piece.bytes, file.path, cursor.offset);
    const kept = cursor.document === 'new' ? await this.keeps(file, cursor.offset) : cursor.document === 'kept';
    const document = kept ? 'kept' : 'left out';
    const next: TextCursor = !piece.endsDocument
      ? { ...cursor, offset: piece.next, document }
      : !piece.endsFile
        ? { ...cursor, offset: piece.next, document: 'new' }
        : { epoch: cursor.epoch, file: cursor.file + 1, offset: 0, document: 'new' };
    const { endsDocument } = piece;
    if (!kept) return { tokens: NOTHING, endsDocument, next };
    let tokens: Int32Array;
    try {
      tokens = tokenizer.encode(text);
    } catch (error) {
      throw isOfText(error) ? atPlace(error, `${file.path}, from byte ${cursor.offset} on`) : error;
    }
    return { tokens: endsDocument && appendEos ? withEos(tokens, tokenizer.eosId) : tokens, endsDocument, next };
  }

  dispose(): void {
    this.options.reader.dispose();
  }

  /**
   * Whether the document that begins at `offset` is not blank and in the wanted part of the split. Its beginning
   * decides.
   */
  private async keeps(file: DataFile, offset: number): Promise<boolean> {
    for (let at = offset; ;) {
      const head = await this.options.reader.head(file, at);
      if (decodeText(head.bytes, file.path, at).trim() !== '') return belongs(head.bytes, this.options.split);
      if (head.endsDocument) return false;
      at = head.next;
    }
  }

  /** The files in the order of an epoch: a function of the random stream and the epoch alone. */
  private orderOf(epoch: number): Int32Array {
    if (this.order?.epoch !== epoch) {
      const { random, shuffle } = this.options;
      const { length } = this.files;
      const files = shuffle
        ? random.fork('files').fork(epoch).permutation(length)
        : Int32Array.from({ length }, (_, i) => i);
      this.order = { epoch, files };
    }
    return this.order.files;
  }
}

/** Text that is counted when it is opened, in bytes: it takes about a tenth of a second. */
const COUNTED_BYTES = 2 ** 20;

/** Windows in an epoch of little text, so that a run is refused before its first step if they do not suffice. */
async function countWindows(
  source: TextSource,
  files: readonly DataFile[],
  lengthTokens: number,
): Promise<number | undefined> {
  const isCompressed = files.some(({ path }) => path.endsWith('.gz'));
  if (isCompressed || files.reduce((sum, { size }) => sum + size, 0) > COUNTED_BYTES) return undefined;
  let tokens = 0;
  try {
    let cursor = source.start;
    while (cursor.epoch === 0) {
      const chunk = await source.read(cursor);
      if (!chunk) break;
      tokens += chunk.tokens.length;
      cursor = chunk.next;
    }
  } catch {
    // What is wrong with the text is reported by whoever reads it.
    return undefined;
  }
  // Fewer tokens than a window may be enough for an objective that asks for shorter ones.
  return Math.floor(tokens / lengthTokens) || undefined;
}

/**
 * Text files as windows of `lengthTokens` tokens. Documents follow each other with an end-of-sequence token after each
 * and are cut into windows without gaps; a window may contain the end of one document and the beginning of another.
 *
 *     files "ab", "c"; bytes; lengthTokens 4   ->   [a, b, eos, c], [eos, a, b, eos], [c, eos, a, b], ...
 */
async function openText({
  options,
  components,
  random,
  run,
  logger,
}: ComponentContext<ResolvedTextOptions>): Promise<Dataset> {
  const { lengthTokens, separator, split, shuffle, repeat } = options;
  const appendEos = appendsEos(run?.specialTokens, 'decoder', options.appendEos);
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const reader = new PieceReader({
    separator: separator === undefined ? undefined : new TextEncoder().encode(separator),
    separates: tokenizer.separates?.bind(tokenizer),
  });
  const packer = { tokenizer, random, shuffle };
  const blockWindows = shuffle ? options.shuffleWindows : 1;
  const source = new TextSource(files, { tokenizer, reader, random, appendEos, shuffle, repeat, split });
  if (options.pack) {
    const data = [lengthTokens, separator, split, appendEos, shuffle, options.pack, vocabularies(tokenizer)];
    const packed = packDocuments(source, lengthTokens, options.pack, {
      ...packer,
      fingerprint: fingerprint(files, data),
    });
    return withTokenizer(packed, tokenizer);
  }
  const windows = new PackedDataset(source, {
    length: await countWindows(source, files, lengthTokens),
    repeats: repeat,
    segments: options.segments,
    lengthTokens,
    blockWindows,
    random,
    onDropped: droppedTail(logger, lengthTokens),
    fingerprint: fingerprint(files, [
      lengthTokens,
      separator,
      split,
      appendEos,
      shuffle,
      blockWindows,
      vocabularies(tokenizer),
      options.segments,
    ]),
  });
  return withTokenizer(windows, tokenizer);
}

export const text = defineComponent({
  interface: 'dataset',
  id: 'text',
  description: 'text files, streamed and packed into windows',
  options: textOptions,
  useFactory: openText,
});
