import type { HostArray, Pooling } from '@graft/core';
import { Option, type Command } from 'commander';
import { openCommandEngine, type CommandContext } from './shared/context';
import { readTextsFor } from '../models/model-texts';
import { openModel } from '../models/open-model';
import { openTextTokenizer } from '../models/open-tokenizer';
import {
  adapterOption,
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

interface EmbedCommandOptions extends FamilyOptions, EngineCommandOptions {
  model: string;
  inputs?: string;
  texts?: string;
  output: string;
  force?: boolean;
  pool: Pooling;
  normalize?: boolean;
  tokenizer?: string;
  batchSize: number;
}

const COMMAND = 'graft embed';

export function addEmbedCommand(program: Command, context: CommandContext): void {
  program
    .command('embed')
    .description('compute a vector for each text, pooled from the states of the encoder or of a decoder-only model')
    .requiredOption(
      '--model <folder>',
      'checkpoint of Gemma 2, T5Gemma, an encoder alone or of a --plugin, or a step-N folder of a run',
    )
    .option('--texts <file>', 'embed each line of this file')
    .option('--inputs <file>', 'embed the rows of a safetensors file with input_ids and attention_mask')
    .requiredOption('--output <file>', 'write embeddings, float32 [texts, width], to this safetensors file')
    .addOption(forceOption())
    .addOption(
      new Option('--pool <how>', "mean of all tokens' states, or the last token's state")
        .choices(['mean', 'last'])
        .default('mean'),
    )
    .option('--normalize', 'scale vectors to length 1')
    .addOption(tokenizerOption('for --texts'))
    .option('--batch-size <n>', 'for --texts: texts per batch', integer(1), 32)
    .addOption(adapterOption())
    .addOption(pluginOption())
    .addOption(bosOption())
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .addOption(engineOption())
    .addOption(deviceOption())
    .action((options: EmbedCommandOptions) => embed(context, options));
}

async function embed(context: CommandContext, options: EmbedCommandOptions): Promise<void> {
  if ((options.texts === undefined) === (options.inputs === undefined))
    throw new CommandLineError('Give either --texts or --inputs.');
  const { readHostTensors, writeHostTensors } = await import('@graft/checkpoint');
  const { outputTensors, writtenBy } = await import('@graft/checkpoint/internal');
  const output = await outputTensors(options.output, COMMAND, options.force);
  const { Embedder } = await import('@graft/core');
  const engine = await openCommandEngine(context, options);
  const checkpoint = await openModel(context, options.model, engine, options, {
    command: COMMAND,
    lacks: ({ kind, representation }) =>
      representation ? undefined : `gives its ${kind} models no \`representation\`, the states of a text`,
  });
  const embedder = new Embedder(engine, checkpoint.model);
  try {
    const batches =
      options.inputs === undefined
        ? await readTextsFor(
            context,
            checkpoint.model,
            await openTextTokenizer(context, options, engine),
            await readTexts(options.texts!),
            options.batchSize,
          )
        : [await readHostTensors(options.inputs)];
    const rows: HostArray[] = [];
    for (const fields of batches) rows.push(await embedder.embed(checkpoint.parameters, fields, options));
    await writeHostTensors(output, { embeddings: stack(rows) }, writtenBy(COMMAND));
  } finally {
    embedder.dispose();
    checkpoint.dispose();
  }
  context.print(options.output);
}

function stack(batches: readonly HostArray[]): HostArray {
  const width = batches[0].shape[1];
  const rows = batches.reduce((sum, { shape }) => sum + shape[0], 0);
  const values = new Float32Array(rows * width);
  let at = 0;
  for (const batch of batches) {
    values.set(batch.values, at);
    at += batch.values.length;
  }
  return { dtype: 'float32', shape: [rows, width], values };
}
