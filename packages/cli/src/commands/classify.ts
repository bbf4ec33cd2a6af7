import type { Classifier, HostArray, HostFields, Tokenizer } from '@graft/core';
import type { Command } from 'commander';
import { openCommandEngine, type CommandContext } from './shared/context';
import { readTextsFor } from '../models/model-texts';
import { openClassifier } from '../models/open-model';
import { openTextTokenizer } from '../models/open-tokenizer';
import {
  bosOption,
  encoderAttentionOption,
  encoderWindowOption,
  deviceOption,
  engineOption,
  forceOption,
  integer,
  pluginOption,
  tokenizerOption,
  type EngineCommandOptions,
  type FamilyOptions,
} from './shared/options';
import { CommandLineError } from '../output/command-line-error';
import { readTexts } from '../models/texts';

interface ClassifyOptions extends FamilyOptions, EngineCommandOptions {
  model: string;
  text?: string;
  texts?: string;
  inputs?: string;
  output?: string;
  force?: boolean;
  tokenizer?: string;
  batchSize: number;
}

const COMMAND = 'graft classify';

export function addClassifyCommand(program: Command, context: CommandContext): void {
  program
    .command('classify')
    .description('classify texts, or each of their tokens; prints label and probability')
    .requiredOption('--model <folder>', 'checkpoint of a classifier of texts or tokens, of any family')
    .option('--text <text>', 'classify this text')
    .option('--texts <file>', 'classify each line of this file')
    .option('--inputs <file>', 'classify the rows of a safetensors file with input_ids and attention_mask')
    .option('--output <file>', 'with --inputs: write logits and probabilities, float32, to this safetensors file')
    .addOption(forceOption())
    .addOption(tokenizerOption('for texts'))
    .option('--batch-size <n>', 'for --texts: texts per batch', integer(1), 32)
    .addOption(pluginOption())
    .addOption(bosOption())
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .addOption(engineOption())
    .addOption(deviceOption())
    .action((options: ClassifyOptions) => classify(context, options));
}

async function classify(context: CommandContext, options: ClassifyOptions): Promise<void> {
  if ([options.text, options.texts, options.inputs].filter((given) => given !== undefined).length !== 1)
    throw new CommandLineError('Give one of --text, --texts and --inputs.');
  if ((options.inputs === undefined) !== (options.output === undefined))
    throw new CommandLineError('--inputs and --output belong together.');
  if (options.force && options.output === undefined) throw new CommandLineError('--force belongs to --output.');
  const { readHostTensors, writeHostTensors } = await import('@graft/checkpoint');
  const { outputTensors, writtenBy } = await import('@graft/checkpoint/internal');
  const output = options.output === undefined ? undefined : await outputTensors(options.output, COMMAND, options.force);
  const { ClassifierRunner, withoutModelInput } = await import('@graft/core');
  const engine = await openCommandEngine(context, options);
  const loaded = await openClassifier(context, options.model, engine, options, COMMAND);
  const { classifier, parameters } = loaded;
  const runner = new ClassifierRunner(engine, classifier);
  try {
    if (options.inputs !== undefined) {
      const { logits, probabilities } = await runner.classify(parameters, await readHostTensors(options.inputs));
      await writeHostTensors(output!, { logits, probabilities }, writtenBy(COMMAND));
      context.print(options.output!);
      return;
    }
    const tokenizer = await openTextTokenizer(context, options, engine);
    const texts = options.text === undefined ? await readTexts(options.texts!) : [options.text];
    let first = true;
    for (const fields of await readTextsFor(context, classifier, tokenizer, texts, options.batchSize)) {
      const { probabilities } = await runner.classify(parameters, fields);
      const rows = describe(classifier, fields, probabilities, tokenizer, withoutModelInput);
      for (const lines of rows) {
        // A blank line separates the tokens of several texts.
        if (classifier.task === 'token' && !first) context.print('');
        first = false;
        for (const line of lines) context.print(line);
      }
    }
  } finally {
    runner.dispose();
    loaded.dispose();
  }
}

/** The lines of each text: one, or one per token with its piece of the text; special tokens around it are omitted. */
function describe(
  classifier: Classifier,
  { input_ids: ids, attention_mask: mask }: HostFields,
  { values }: HostArray,
  tokenizer: Tokenizer,
  withoutAdded: (classifier: Classifier, row: Int32Array) => Int32Array,
): string[][] {
  const { labels, task } = classifier;
  const [texts, length] = ids.shape;
  const best = (at: number): string => {
    const own = values.subarray(at * labels.length, (at + 1) * labels.length) as Float32Array;
    const probability = Math.max(...own);
    return `${labels[own.indexOf(probability)]}\t${probability.toFixed(4)}`;
  };
  return Array.from({ length: texts }, (_, text) => {
    if (task === 'sequence') return [best(text)];
    const positions = Array.from({ length }, (__, i) => text * length + i).filter((at) => mask.values[at] !== 0);
    const own = withoutAdded(
      classifier,
      Int32Array.from(positions, (at) => ids.values[at]),
    );
    const from = own.byteOffset / own.BYTES_PER_ELEMENT;
    return positions
      .slice(from, from + own.length)
      .map((at) => `${JSON.stringify(tokenizer.decode([ids.values[at]]))}\t${best(at)}`);
  });
}
