import type { HostFields, Tokenizer } from '@graft/core';
import type { Engine, EngineMode } from '@graft/engine';
import type { EncoderWindow, GemmaModel } from '@graft/gemma';
import { InvalidArgumentError, type Command } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openCommandEngine, openLogger, type CommandContext } from '../context';
import { defaultPlugins } from '../default-plugins';
import { encoderWindowOption, engineOption, integer } from '../options';
import { UsageMistake } from '../report-error';

interface GenerateCommandOptions {
  model: string;
  inputs?: string;
  output?: string;
  prompt?: string;
  tokenizer?: string;
  maxNewTokens: number;
  eos?: number[];
  encoderWindow?: EncoderWindow;
  engine?: EngineMode;
}

export function addGenerateCommand(program: Command, context: CommandContext): void {
  program
    .command('generate')
    .description('greedy generation: from a file of token ids, or from a text')
    .requiredOption('--model <folder>', 'Gemma 2 or T5Gemma checkpoint, or a step-N folder of a run')
    .option('--inputs <file>', 'safetensors: input_ids, attention_mask')
    .option('--output <file>', 'safetensors to write: sequences, int32, start token first, filled with pad behind eos')
    .option('--prompt <text>', 'print the text that follows this one (encoder-decoders: what the decoder says to it)')
    .option('--tokenizer <name>', "for --prompt: `bytes`, a tokenizer.json or its folder (default: the model folder's)")
    .requiredOption('--max-new-tokens <n>', 'tokens to generate, at most', integer(1))
    .option('--eos <ids>', "token ids that end a sequence, comma-separated (default: the model's)", tokenIds)
    .addOption(encoderWindowOption())
    .addOption(engineOption())
    .action(async (options: GenerateCommandOptions) => {
      checkUsage(options);
      if (options.prompt === undefined) await generateFile(context, options);
      else await generateText(context, options, options.prompt);
    });
}

function tokenIds(text: string): number[] {
  const ids = text.split(',').map(Number);
  if (text.trim() === '' || !ids.every((id) => Number.isSafeInteger(id) && id >= 0))
    throw new InvalidArgumentError('Expected token ids, e.g. 1 or 1,107.');
  return ids;
}

function checkUsage({ inputs, output, prompt }: GenerateCommandOptions): void {
  const fromFile = inputs !== undefined && output !== undefined && prompt === undefined;
  const fromText = prompt !== undefined && inputs === undefined && output === undefined;
  if (!fromFile && !fromText) throw new UsageMistake('Give either --inputs and --output, or --prompt.');
}

async function generateFile(context: CommandContext, options: GenerateCommandOptions): Promise<void> {
  const { readHostTensors, writeHostTensors } = await import('@graft/checkpoint');
  const fields = await readHostTensors(options.inputs!);
  const rows = await generateRows(context, options, () => Promise.resolve(fields));
  const width = rows[0].length;
  const values = new Int32Array(rows.length * width);
  rows.forEach((row, i) => values.set(row, i * width));
  await writeHostTensors(options.output!, { sequences: { dtype: 'int32', shape: [rows.length, width], values } });
  context.print(options.output!);
}

async function generateText(context: CommandContext, options: GenerateCommandOptions, prompt: string): Promise<void> {
  let tokenizer: Tokenizer | undefined;
  let promptLength = 0;
  const [row] = await generateRows(context, options, async (model, engine) => {
    tokenizer = await openTokenizer(context, options, engine);
    const ids = tokenizer.encode(prompt);
    // A decoder-only model goes on behind the start token and the prompt; a decoder begins with the start token alone.
    const values = model.kind === 'decoder-only' ? Int32Array.of(model.specialTokens.start, ...ids) : ids;
    promptLength = model.kind === 'decoder-only' ? values.length : 1;
    return { input_ids: { dtype: 'int32', shape: [1, values.length], values } };
  });
  context.print(tokenizer!.decode(row.subarray(promptLength)));
}

async function generateRows(
  context: CommandContext,
  options: GenerateCommandOptions,
  makeFields: (model: GemmaModel, engine: Engine) => Promise<HostFields>,
): Promise<Int32Array[]> {
  const { generate, loadModel } = await import('@graft/gemma');
  const engine = await openCommandEngine(context, options.engine ?? 'auto');
  const checkpoint = await loadModel(options.model, { encoderWindow: options.encoderWindow });
  const { model, parameters } = checkpoint;
  try {
    const fields = await makeFields(model, engine);
    return await generate(engine, model, parameters, { fields, maxNewTokens: options.maxNewTokens, eos: options.eos });
  } finally {
    checkpoint.dispose();
  }
}

async function openTokenizer(
  context: CommandContext,
  { tokenizer, model }: GenerateCommandOptions,
  engine: Engine,
): Promise<Tokenizer> {
  const { createComponentFactory, createRandom, loadRegistry } = await import('@graft/core');
  if (tokenizer === undefined && !existsSync(join(model, 'tokenizer.json'))) {
    throw new UsageMistake(
      `${model} holds no tokenizer.json; name a tokenizer with --tokenizer (\`bytes\`, or a tokenizer.json).`,
    );
  }
  const registry = await loadRegistry(defaultPlugins, [process.cwd(), __dirname]);
  const components = createComponentFactory(registry, {
    engine,
    random: createRandom(0),
    logger: await openLogger(context),
  });
  const path = tokenizer ?? model;
  return components.create('tokenizer', path === 'bytes' ? { use: 'bytes' } : { use: 'huggingface', path });
}
