import { componentOption, defineComponent, type ComponentContext, type Dataset, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { excludeOption, filesOption, findFiles, fingerprint } from './find-files';
import { splitOption } from './hold-out';
import { JsonLines, LineExamples, SEQUENCE_FIELDS, type ReadLine } from './json-lines';
import { LineIndex } from './line-index';
import { WEIGHTS_FIELD, weightsAt } from './line-weights';
import { PackedDataset, TOKENS_FIELD } from './packed';
import { templateOption, textReader } from './template';
import { withEos, type TokenChunk, type TokenSource } from './token-source';

export const jsonlOptions = z
  .strictObject({
    /** Files or globs; each line a JSON object, blank lines skipped. */
    files: filesOption,
    exclude: excludeOption,
    tokenizer: componentOption('tokenizer'),
    /** Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
    text: templateOption.optional(),
    /** Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both. */
    source: templateOption.optional(),
    /** Key of the text to write, or a template. */
    target: templateOption.optional(),
    /** Key of a number, or of a list with one for each token of the target (of the text): how much it counts in the loss. */
    weights: z.string().min(1).optional(),
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
  })
  .refine(({ lengthTokens, weights }) => lengthTokens === undefined || weights === undefined, {
    error: 'packed texts have no weights',
    path: ['weights'],
  });

export type JsonlOptions = z.output<typeof jsonlOptions>;

/** What becomes of a line: keys of the JSON object, or templates, to fields of the example. */
type Columns = readonly { readonly key: string; readonly field: string; readonly eos: boolean }[];

/** `weights`: key of the weights of the last column's tokens. */
function readColumns(columns: Columns, tokenizer: Tokenizer, weights?: string): ReadLine {
  const readers = columns.map(({ key, ...column }) => ({ ...column, read: textReader(key) }));
  return (object) => {
    const example: Record<string, Int32Array | Float32Array> = {};
    for (const { read, field, eos } of readers) {
      const text = tokenizer.encode(read(object));
      const tokens = eos ? withEos(text, tokenizer.eosId) : text;
      example[field] = tokens;
      if (weights !== undefined && field !== 'source') example.weights = weightsAt(object, weights, tokens.length, eos);
    }
    return [example];
  };
}

type LineCursor = { readonly epoch: number; readonly line: number };

/** Lines one after the other, for packing. */
class LineSource implements TokenSource<LineCursor> {
  readonly start: LineCursor = { epoch: 0, line: 0 };

  constructor(
    private readonly lines: JsonLines,
    private readonly repeat: boolean,
  ) {}

  async read({ epoch, line }: LineCursor): Promise<TokenChunk<LineCursor> | undefined> {
    if (line >= this.lines.length) {
      return this.repeat ? { tokens: new Int32Array(0), next: { epoch: epoch + 1, line: 0 } } : undefined;
    }
    const [{ tokens }] = await this.lines.examples(epoch, line);
    return { tokens: tokens as Int32Array, next: { epoch, line: line + 1 } };
  }
}

/**
 * Texts, or pairs of source and target, out of files with a JSON object on each line.
 *
 *     {"question": "ab", "answer": "c"}   with source: question, target: answer   ->   source [a, b], target [c, eos]
 *                                       with source: 'Q: {question}', target: answer   ->   source [Q, :, ' ', a, b], ...
 */
async function openJsonl({ options, components, random }: ComponentContext<JsonlOptions>): Promise<Dataset> {
  const { source, target, text = 'text', weights, lengthTokens, split, appendEos, shuffle, repeat } = options;
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const index = await LineIndex.ofSome(files, split, options.files);
  const columns: Columns =
    source !== undefined && target !== undefined
      ? [
          { key: source, field: 'source', eos: false },
          { key: target, field: 'target', eos: appendEos },
        ]
      : [{ key: text, field: 'tokens', eos: appendEos }];
  const lines = new JsonLines(index, readColumns(columns, tokenizer, weights), shuffle ? random : undefined);
  const data = fingerprint(files, [
    columns,
    lengthTokens,
    split,
    shuffle,
    tokenizer.vocabularySize,
    ...(weights ? [weights] : []),
  ]);
  if (lengthTokens === undefined) {
    const texts = source === undefined ? [TOKENS_FIELD] : SEQUENCE_FIELDS;
    const fields = weights === undefined ? texts : [...texts, WEIGHTS_FIELD];
    return new LineExamples(lines, fields, { repeat, fingerprint: data, perLine: 1 });
  }
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
