import type { Tokenizer } from '@graft/core';
import type { AuditedTokenizer, TrainTokenizerProgress } from '@graft/text';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { CommandContext } from './shared/context';
import { integer, numberOf, pluginOption, WHICH_TOKENIZER } from './shared/options';
import { openNamedTokenizer } from '../models/open-tokenizer';
import { CommandLineError } from '../output/command-line-error';
import { formatBytes, table } from '../output/table';
import { readWholeText } from '../models/texts';
import { auditTokenizer, type AuditCommandOptions } from './tokenizer-audit';

interface TrainCommandOptions {
  input: string[];
  exclude?: string[];
  vocabulary: number;
  out: string;
  minFrequency: number;
  characterCoverage: number;
  unused: number;
}

interface PluginOptions {
  readonly plugin?: readonly string[];
}

interface EncodeCommandOptions extends PluginOptions {
  file?: string;
  ids?: boolean;
}

export function addTokenizerCommand(program: Command, context: CommandContext): void {
  const tokenizer = program.command('tokenizer').description('train a tokenizer on text, or show the tokens of a text');
  tokenizer
    .command('train')
    .description("train a byte-pair encoding (BPE) like Gemma's; prints the folder of its tokenizer.json")
    .requiredOption('--input <patterns...>', 'UTF-8 text files or quoted globs; .gz files are unpacked')
    .option('--exclude <patterns...>', "globs of files to exclude, such as '**/CHANGELOG.md'")
    .requiredOption(
      '--vocabulary <n>',
      'total number of tokens: special tokens, 256 bytes, characters and merges',
      integer(1),
    )
    .requiredOption('--out <folder>', 'the new folder; it must not exist')
    .option('--min-frequency <n>', 'occurrences that a pair needs to be merged', integer(1), 2)
    .option(
      '--character-coverage <x>',
      'share of the text whose characters become tokens; rarer characters are encoded as bytes',
      numberOf('above 0 and at most 1', (value) => value > 0 && value <= 1),
      0.9995,
    )
    .option(
      '--unused <n>',
      "number of tokens <unused0>, … for sentinels; with 99 all special tokens have Gemma's ids",
      integer(0),
      0,
    )
    .action((options: TrainCommandOptions) => train(context, options));
  tokenizer
    .command('encode')
    .description('print the tokens of a text, one id and its piece per line')
    .argument('<tokenizer>', WHICH_TOKENIZER)
    .argument('[text]', 'the text')
    .option('--file <file>', 'encode the text of this file')
    .option('--ids', 'print only the ids, on one line')
    .addOption(pluginOption())
    .action((path: string, text: string | undefined, options: EncodeCommandOptions) =>
      encode(context, path, text, options),
    );
  tokenizer
    .command('decode')
    .description('print the text of token ids, special tokens included')
    .argument('<tokenizer>', WHICH_TOKENIZER)
    .argument('<ids...>', 'token ids')
    .addOption(pluginOption())
    .action((path: string, ids: string[], options: PluginOptions) => decode(context, path, ids, options));
  tokenizer
    .command('audit')
    .description('report which tokens text can produce: counts by kind, or single tokens with --ids')
    .argument('<tokenizer>', WHICH_TOKENIZER)
    .option('--ids <ids...>', "report on these ids (7), ranges (7..105) or tokens ('<unused7>')")
    .option('--sentinels', 'report on the unused tokens, from which sentinels and mode tokens are chosen')
    .option('--json', 'print JSON')
    .addOption(pluginOption())
    .action(async (path: string, options: AuditCommandOptions & PluginOptions) =>
      auditTokenizer(context, path, audited(await openNamedTokenizer(context, path, options.plugin), path), options),
    );
}

async function train(context: CommandContext, options: TrainCommandOptions): Promise<void> {
  const { trainTokenizer } = await import('@graft/text');
  const { input, exclude, vocabulary, minFrequency, characterCoverage, unused } = options;
  const out = resolve(options.out);
  const report = await trainTokenizer(out, {
    files: input.map((pattern) => resolve(pattern)),
    ...{ exclude, vocabularySize: vocabulary, minFrequency, characterCoverage, unusedTokens: unused },
    onProgress: process.stderr.isTTY && !context.globals.quiet ? progressLine() : undefined,
  });
  const count = (value: number, what: string): string =>
    `${value.toLocaleString('en')} ${what}${value === 1 ? '' : 's'}`;
  context.note(
    `${count(report.files, 'file')}, ${formatBytes(report.bytes)}, ${count(report.wordKinds, 'different word')}: ${count(report.vocabularySize, 'token')}, of them ${count(report.characters, 'character')} and ${count(report.merges, 'merge')}.`,
  );
  if (report.droppedWordKinds > 0)
    context.note(`${count(report.droppedWordKinds, 'rare word')} were left out, to bound the memory.`);
  if (report.vocabularySize < vocabulary)
    context.note(
      `No pair occurs ${count(minFrequency, 'time')} any more, so there are fewer than ${count(vocabulary, 'token')}; more text${minFrequency > 1 ? ' or a lower --min-frequency' : ''} makes more.`,
    );
  context.print(out);
}

/** One line of a terminal, updated in place at every per cent. */
function progressLine(): (progress: TrainTokenizerProgress) => void {
  let shown = '';
  return ({ phase, done, total }) => {
    const line = `${phase} ${total === 0 ? 100 : Math.floor((100 * done) / total)} %`;
    if (line === shown) return;
    shown = line;
    process.stderr.write(`\r${line}\x1b[K${phase === 'merging' && done === total ? '\n' : ''}`);
  };
}

/** Throws for a tokenizer of a plugin that does not show its vocabulary. */
function audited(tokenizer: Tokenizer, name: string): AuditedTokenizer {
  if (typeof (tokenizer as Partial<AuditedTokenizer>).piece === 'function') return tokenizer as AuditedTokenizer;
  throw new CommandLineError(
    `The tokenizer "${name}" cannot be audited: it has no method \`piece(id)\`, which returns the token of an id.`,
  );
}

/** The token itself, or the text that it stands for if the tokenizer does not show its vocabulary. */
function pieceOf(tokenizer: Tokenizer, id: number): string | undefined {
  const { piece } = tokenizer as Partial<AuditedTokenizer>;
  if (piece) return piece.call(tokenizer, id);
  return id < tokenizer.vocabularySize ? tokenizer.decode([id], { keepSpecial: true }) : undefined;
}

async function encode(
  context: CommandContext,
  path: string,
  given: string | undefined,
  { file, ids: idsAlone, plugin }: EncodeCommandOptions,
): Promise<void> {
  if ((given === undefined) === (file === undefined)) throw new CommandLineError('Give either a text or --file.');
  const tokenizer = await openNamedTokenizer(context, path, plugin);
  const text = given ?? (await readWholeText(resolve(file!)));
  const ids = [...tokenizer.encode(text)];
  if (idsAlone) context.print(ids.join(' '));
  else
    context.print(
      table(
        ['id', 'piece'],
        // JSON shows newlines and other characters that a terminal would not.
        ids.map((id) => [String(id), JSON.stringify(pieceOf(tokenizer, id) ?? '')]),
        { right: [0] },
      ),
    );
  const bytes = Buffer.byteLength(text);
  const each = ids.length === 0 ? '' : `, ${(bytes / ids.length).toFixed(2)} bytes a token`;
  context.note(`${ids.length.toLocaleString('en')} tokens for ${bytes.toLocaleString('en')} bytes${each}.`);
}

async function decode(
  context: CommandContext,
  path: string,
  words: readonly string[],
  { plugin }: PluginOptions,
): Promise<void> {
  const tokenizer = await openNamedTokenizer(context, path, plugin);
  const ids = words.flatMap((word) => word.split(/[\s,]+/)).filter((word) => word !== '');
  const wrong = ids.find((id) => !/^\d+$/.test(id) || pieceOf(tokenizer, Number(id)) === undefined);
  if (wrong !== undefined)
    throw new CommandLineError(
      `"${wrong}" is not a token of ${path}; expected ids from 0 to ${tokenizer.vocabularySize - 1}, as in 2 17 108.`,
    );
  context.print(tokenizer.decode(ids.map(Number), { keepSpecial: true }));
}
