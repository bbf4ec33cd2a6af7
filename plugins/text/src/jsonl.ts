import {
  componentOption,
  DataError,
  defineComponent,
  type ComponentContext,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type RandomStream,
  type Tokenizer,
} from '@graft/core';
import { z } from 'zod';
import { excludeOption, filesOption, findFiles, fingerprint } from './find-files';
import { splitOption } from './hold-out';
import { LineIndex } from './line-index';
import { PackedDataset, TOKENS_FIELD } from './packed';
import { parsePosition } from './position';
import { withEos, type TokenChunk, type TokenSource } from './token-source';

export const jsonlOptions = z
  .strictObject({
    /** Files or globs; each line a JSON object, blank lines skipped. */
    files: filesOption,
    exclude: excludeOption,
    tokenizer: componentOption('tokenizer'),
    /** Key of the text; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
    text: z.string().min(1).optional(),
    /** Key of the text to read; with `target`, the examples have `source` and `target`. */
    source: z.string().min(1).optional(),
    /** Key of the text to write. */
    target: z.string().min(1).optional(),
    /** Packs the texts into windows of this many tokens. Default: a line is an example. */
    lengthTokens: z.int().min(2).optional(),
    split: splitOption,
    /** An end-of-sequence token behind every text or target. */
    appendEos: z.boolean().default(true),
    /** Lines in another order in every pass. */
    shuffle: z.boolean().default(true),
    /** Begins again after the last line. */
    repeat: z.boolean().default(true),
  })
  .refine(({ source, target }) => (source === undefined) === (target === undefined), {
    error: '`source` and `target` belong together',
  })
  .refine(({ text, source }) => text === undefined || source === undefined, {
    error: 'either `text`, or `source` and `target`',
  })
  .refine(({ lengthTokens, source }) => lengthTokens === undefined || source === undefined, {
    error: 'only `text` can be packed',
    path: ['lengthTokens'],
  });

export type JsonlOptions = z.output<typeof jsonlOptions>;

/** What becomes of a line: keys of the JSON object, to fields of the example. */
type Columns = readonly { readonly key: string; readonly field: string; readonly eos: boolean }[];

const SEQUENCE_FIELDS: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1, meaning: 'token ids to read' },
  { name: 'target', dtype: 'int32', rank: 1, meaning: 'token ids to write, end of sequence included' },
];

/** Lines of JSON, shuffled over all files, as tokens. */
class Lines {
  private order: { epoch: number; lines: Int32Array } | undefined;

  constructor(
    private readonly index: LineIndex,
    private readonly tokenizer: Tokenizer,
    private readonly columns: Columns,
    private readonly random: RandomStream | undefined,
  ) {}

  get length(): number {
    return this.index.length;
  }

  /** The example at a place in the order of a pass: a function of the random stream, the pass and the place alone. */
  async example(epoch: number, place: number): Promise<Record<string, Int32Array>> {
    const line = this.orderOf(epoch)?.[place] ?? place;
    const object = await this.parse(line);
    const example: Record<string, Int32Array> = {};
    for (const { key, field, eos } of this.columns) {
      const value = Object.hasOwn(object, key) ? object[key] : undefined;
      if (typeof value !== 'string') {
        const got =
          value === undefined
            ? `has only ${Object.keys(object).join(', ') || 'nothing'}`
            : `holds ${value === null ? 'null' : typeof value} there`;
        throw new DataError(`${await this.index.describe(line)} should have a text under "${key}", but ${got}.`, {
          code: 'data.bad-line',
        });
      }
      const tokens = this.tokenizer.encode(value);
      example[field] = eos ? withEos(tokens, this.tokenizer.eosId) : tokens;
    }
    return example;
  }

  private async parse(line: number): Promise<Record<string, unknown>> {
    const text = await this.index.read(line);
    let problem = 'it is no object';
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    } catch (error) {
      problem = (error as Error).message;
    }
    throw new DataError(`${await this.index.describe(line)} is no JSON object on a line: ${problem}.`, {
      code: 'data.bad-line',
    });
  }

  private orderOf(epoch: number): Int32Array | undefined {
    if (!this.random) return undefined;
    if (this.order?.epoch !== epoch)
      this.order = { epoch, lines: this.random.fork('lines').fork(epoch).permutation(this.length) };
    return this.order.lines;
  }
}

const positionSchema = z.strictObject({ data: z.string(), epoch: z.int().min(0), line: z.int().min(0) });

/** A line an example. */
class LineExamples implements Dataset {
  readonly kind = 'examples';
  readonly length: number;
  private epoch = 0;
  private line = 0;

  constructor(
    private readonly lines: Lines,
    readonly fields: readonly FieldSpec[],
    private readonly repeat: boolean,
    private readonly data: string,
  ) {
    this.length = lines.length;
  }

  position(): JsonValue {
    return { data: this.data, epoch: this.epoch, line: this.line };
  }

  restore(position: JsonValue): Promise<void> {
    ({ epoch: this.epoch, line: this.line } = parsePosition(positionSchema, position, this.data));
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    for (;;) {
      if (this.line >= this.length) {
        if (!this.repeat) return undefined;
        this.epoch++;
        this.line = 0;
      }
      const example = await this.lines.example(this.epoch, this.line);
      this.line++;
      yield Object.fromEntries(
        Object.entries(example).map(
          ([field, values]) => [field, { dtype: 'int32', shape: [values.length], values }] as const,
        ),
      );
    }
  }
}

type LineCursor = { readonly epoch: number; readonly line: number };

/** Lines one after the other, for packing. */
class LineSource implements TokenSource<LineCursor> {
  readonly start: LineCursor = { epoch: 0, line: 0 };

  constructor(
    private readonly lines: Lines,
    private readonly repeat: boolean,
  ) {}

  async read({ epoch, line }: LineCursor): Promise<TokenChunk<LineCursor> | undefined> {
    if (line >= this.lines.length) {
      return this.repeat ? { tokens: new Int32Array(0), next: { epoch: epoch + 1, line: 0 } } : undefined;
    }
    const { tokens } = await this.lines.example(epoch, line);
    return { tokens, next: { epoch, line: line + 1 } };
  }
}

/**
 * Texts, or pairs of source and target, out of files with a JSON object on each line.
 *
 *     {"question": "ab", "answer": "c"}   with source: question, target: answer   ->   source [a, b], target [c, eos]
 */
async function openJsonl({ options, components, random }: ComponentContext<JsonlOptions>): Promise<Dataset> {
  const { source, target, text = 'text', lengthTokens, split, appendEos, shuffle, repeat } = options;
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const index = await LineIndex.build(files, split);
  if (index.length === 0) {
    throw new DataError(
      `No line of ${[options.files].flat().join(', ')} ${split ? `belongs to the ${split.part} part` : 'holds anything'}.`,
      {
        code: 'data.empty',
      },
    );
  }
  const columns: Columns =
    source !== undefined && target !== undefined
      ? [
          { key: source, field: 'source', eos: false },
          { key: target, field: 'target', eos: appendEos },
        ]
      : [{ key: text, field: 'tokens', eos: appendEos }];
  const lines = new Lines(index, tokenizer, columns, shuffle ? random : undefined);
  const data = fingerprint(files, [columns, lengthTokens, split, shuffle, tokenizer.vocabularySize]);
  if (lengthTokens === undefined)
    return new LineExamples(lines, source === undefined ? [TOKENS_FIELD] : SEQUENCE_FIELDS, repeat, data);
  // Lines are shuffled over the whole of the data already, so windows need no shuffling among each other.
  return new PackedDataset(new LineSource(lines, repeat), { lengthTokens, blockWindows: 1, random, fingerprint: data });
}

export const jsonl = defineComponent({
  interface: 'dataset',
  id: 'jsonl',
  description: 'texts, or sources and targets, from files with a JSON object on each line',
  options: jsonlOptions,
  useFactory: openJsonl,
});
