import { appendsEos, sidesOf, type ComponentContext, type Dataset, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { excludeOption, filesOption, findFiles, fingerprint } from '../files/find-files';
import { splitOption } from './hold-out';
import { tokenizerOption } from '../tokenizers/option';
import { WEIGHTS_FIELD, weightsAt } from '../rows/line-weights';
import { openRows, type RowsWanted } from '../rows/open-rows';
import { packOption } from '../packing/pack';
import { packDocuments, packPairs, pairPackProblem } from '../packing/pack-dataset';
import { droppedTail, PackedDataset, TOKENS_FIELD } from '../packing/packed';
import { RowExamples, RowSource } from '../rows/row-examples';
import { RowProblem, SEQUENCE_FIELDS, type ReadRow } from '../rows/rows';
import { OrderedRows } from '../rows/ordered-rows';
import { keysOf, templateOption, textReader } from '../rows/template';
import { vocabularies, withTokenizer } from './with-tokenizer';
import { withEos } from '../packing/token-source';

/** Rows that are shuffled together if they cannot be read individually. */
export const shuffleRowsOption = z.int().positive().default(8192);

/** Options of datasets whose rows contain texts. */
export const rowOptions = z
  .strictObject({
    files: filesOption.describe('Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several.'),
    exclude: excludeOption.describe(
      'Patterns of files to leave out, matched against absolute paths, as in `**/CHANGELOG.md`.',
    ),
    tokenizer: tokenizerOption(),
    text: templateOption
      .optional()
      .describe(
        'Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given.',
      ),
    source: templateOption
      .optional()
      .describe(
        'Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both.',
      ),
    target: templateOption.optional().describe('Key of the text to write, or a template; with `source`.'),
    weights: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Key of a number, or of a list with one for each token of the target (or of the text): its weight in the loss. Default: every token weighs 1.',
      ),
    lengthTokens: z
      .int()
      .min(2)
      .optional()
      .describe('Packs the texts into windows of this many tokens. Default: a row is an example.'),
    segments: z.boolean().default(false).describe('Whether attention stays within each document of a window.'),
    pack: packOption
      .optional()
      .describe(
        'Packs whole texts into rows of `lengthTokens`, or pairs into rows of `sourceTokens` and `targetTokens`, several in each row; attention does not cross them. Default: nothing is packed.',
      ),
    split: splitOption.describe('Holds a fraction of the documents out of training. Default: all documents are given.'),
    appendEos: z
      .boolean()
      .default(true)
      .describe(
        "Puts an end-of-sequence token behind every text or target, unless the run's policy sets something else.",
      ),
    shuffle: z.boolean().default(true).describe('Gives the rows in a different order in every epoch.'),
    shuffleRows: shuffleRowsOption.describe(
      'Rows that are shuffled together, and are in memory together, if rows cannot be read individually (gzip, Parquet).',
    ),
    repeat: z.boolean().default(true).describe('Begins again after the last row.'),
  })
  .refine(({ source, target }) => (source === undefined) === (target === undefined), {
    error: '`source` and `target` belong together',
  })
  .refine(({ text, source }) => text === undefined || source === undefined, {
    error: 'either `text`, or `source` and `target`',
  })
  .refine(({ lengthTokens, source }) => lengthTokens === undefined || source === undefined, {
    error: 'only `text` can be cut into windows; pairs have pack.sourceTokens and pack.targetTokens',
    path: ['lengthTokens'],
  })
  .refine(({ lengthTokens, weights }) => lengthTokens === undefined || weights === undefined, {
    error: 'packed texts have no weights',
    path: ['weights'],
  })
  .superRefine(({ lengthTokens, source, segments, pack }, context) => {
    const addIssue = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
    if (segments && lengthTokens === undefined) addIssue(['segments'], 'only windows (lengthTokens) have segments');
    if (!pack) return;
    const problem = source === undefined ? undefined : pairPackProblem(pack);
    if (problem) addIssue(['pack', problem.key], problem.message);
    if (source !== undefined) return;
    if (lengthTokens === undefined)
      addIssue(['pack'], 'texts are packed into rows of `lengthTokens`, which is missing');
    for (const key of ['sourceTokens', 'targetTokens'] as const)
      if (pack[key] !== undefined) addIssue(['pack', key], 'only data with source and target have it');
  });

/** What a config or code may write. */
export type RowOptions = z.input<typeof rowOptions>;
/** The same with every default filled in. */
export type ResolvedRowOptions = z.output<typeof rowOptions>;

/** Which keys of a row, or templates of them, become which fields of the example. */
type Columns = readonly { readonly key: string; readonly field: string; readonly eos: boolean }[];

interface Reading {
  /** Key of the weights of the last column's tokens. */
  readonly weights?: string;
  /** Whether a row may be without text: a part of a longer sequence may. */
  readonly mayBeEmpty: boolean;
}

function readColumns(columns: Columns, tokenizer: Tokenizer, { weights, mayBeEmpty }: Reading): ReadRow {
  const sides = sidesOf(tokenizer);
  const readers = columns.map((column) => ({
    ...column,
    read: textReader(column.key),
    tokenizer: column.field === 'source' ? sides.encoder : sides.decoder,
  }));
  return (row) => {
    const example: Record<string, Int32Array | Float32Array> = {};
    for (const { key, read, field, eos, tokenizer } of readers) {
      const text = tokenizer.encode(read(row));
      // An answer may be empty if its end token can be learned.
      if (text.length === 0 && !mayBeEmpty && !(field === 'target' && eos))
        throw new RowProblem(`has an empty ${field === 'tokens' ? 'text' : field}: "${key}" gives no token`);
      const tokens = eos ? withEos(text, tokenizer.eosId) : text;
      example[field] = tokens;
      if (weights !== undefined && field !== 'source') example.weights = weightsAt(row, weights, tokens.length, eos);
    }
    return [example];
  };
}

/** Texts, or pairs of source and target, from the rows of files. */
export async function openRowDataset(
  { options, components, random, run, logger }: ComponentContext<ResolvedRowOptions>,
  only: RowsWanted['only'],
): Promise<Dataset> {
  const { source, target, text = 'text', weights, lengthTokens, split, shuffle, shuffleRows, repeat } = options;
  const appendEos = appendsEos(run?.specialTokens, 'decoder', options.appendEos);
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const columns: Columns =
    source !== undefined && target !== undefined
      ? [
          { key: source, field: 'source', eos: false },
          { key: target, field: 'target', eos: appendEos },
        ]
      : [{ key: text, field: 'tokens', eos: appendEos }];
  const keys = [...columns.flatMap(({ key }) => keysOf(key)), ...(weights === undefined ? [] : [weights])];
  const rows = await openRows(files, { columns: keys, split, patterns: options.files, only });
  const ordered = new OrderedRows(
    rows,
    readColumns(columns, tokenizer, { weights, mayBeEmpty: lengthTokens !== undefined }),
    shuffle ? random : undefined,
    shuffleRows,
  );
  const buffered = rows.stretches ? shuffleRows : undefined;
  const { pack, segments } = options;
  const order = [columns, lengthTokens, split, shuffle, vocabularies(tokenizer), buffered];
  const data = fingerprint(files, [...order, pack, segments, ...(weights === undefined ? [] : [weights])]);
  const packing = { tokenizer, random, shuffle, fingerprint: data };
  if (lengthTokens === undefined) {
    const texts = source === undefined ? [TOKENS_FIELD] : SEQUENCE_FIELDS;
    const fields = weights === undefined ? texts : [...texts, WEIGHTS_FIELD];
    const examples = new RowExamples(ordered, fields, { repeat, fingerprint: data, perRow: 1 });
    return withTokenizer(pack ? packPairs(examples, pack, packing) : examples, tokenizer);
  }
  if (pack) return withTokenizer(packDocuments(new RowSource(ordered, repeat), lengthTokens, pack, packing), tokenizer);
  // Rows are already shuffled, so windows need no shuffling.
  const windows = new PackedDataset(new RowSource(ordered, repeat), {
    lengthTokens,
    blockWindows: 1,
    segments,
    random,
    onDropped: droppedTail(logger, lengthTokens),
    fingerprint: data,
  });
  return withTokenizer(windows, tokenizer);
}
