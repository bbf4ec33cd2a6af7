import type { GenerateOptions, HostFields, Model } from '@graft/core';
import type { Engine } from '@graft/engine';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CommandContext } from './shared/context';
import { Decoder } from '../models/decoder';
import { noteSpecialTokens } from '../models/model-texts';
import { nonEmpty } from '../models/texts';
import { NewText } from '../models/new-text';
import { openTokenizers } from '../models/open-tokenizer';
import {
  adapterOption,
  bosOption,
  collect,
  encoderAttentionOption,
  encoderTokenizerOption,
  encoderWindowOption,
  deviceOption,
  engineOption,
  forceOption,
  integer,
  numberOf,
  pluginOption,
  tokenizerOption,
  positiveNumber,
} from './shared/options';
import { CommandLineError } from '../output/command-line-error';
import { checkChatUsage, generateChat, type GenerateChatOptions } from './generate-chat';

interface GenerateCommandOptions extends GenerateChatOptions {
  readonly chat?: boolean;
}

export function addGenerateCommand(program: Command, context: CommandContext): void {
  program
    .command('generate')
    .description('generate from a text or from a file of token ids: greedy decoding, sampling, or beam search')
    .requiredOption(
      '--model <folder>',
      'checkpoint of a model that generates (Gemma 2, T5Gemma, or of a --plugin), or a step-N folder of a run',
    )
    .option(
      '--inputs <file>',
      'safetensors file: input_ids, attention_mask; with --chat JSONL: {"messages": [{role, content}]}',
    )
    .option(
      '--output <file>',
      'safetensors file to write: sequences, int32, from the start token, padded after the end token; with --chat JSONL (default: print)',
    )
    .addOption(forceOption())
    .option('--prompt <text>', 'print the continuation of this text (encoder-decoders: the output of the decoder)')
    .addOption(tokenizerOption('for --prompt'))
    .addOption(encoderTokenizerOption())
    .option('--chat', 'answer --prompt, the conversations of --inputs, or a conversation at the terminal')
    .option(
      '--chat-template <file>',
      "for --chat: a template file, or a folder with one (default: the model folder's, otherwise Gemma's markup)",
    )
    .option('--system <text>', 'for --chat: a system message before the prompt')
    .option(
      '--max-new-tokens <n>',
      "maximum number of tokens to generate (default: the checkpoint's, otherwise 20, with --chat 1024)",
      integer(1),
    )
    .option('--eos <ids>', "token ids that end a sequence, comma-separated (default: the checkpoint's)", tokenIds)
    .option('--sample', "sample tokens; temperature, top-k and top-p default to the checkpoint's")
    .option(
      '--temperature <x>',
      'sample tokens from logits divided by this; 0: always the most probable token',
      numberOf('at least 0', (x) => x >= 0),
    )
    .option(
      '--top-k <n>',
      "sample from the n most probable tokens; 0: from all (default: the checkpoint's, otherwise 50)",
      integer(0),
    )
    .option(
      '--top-p <p>',
      "sample from the most probable tokens that together have this probability (default: the checkpoint's, otherwise 1)",
      numberOf('above 0 and at most 1', (x) => x > 0 && x <= 1),
    )
    .option(
      '--repetition-penalty <x>',
      "make tokens that already occurred less probable; 1: off (default: the checkpoint's, otherwise 1)",
      positiveNumber,
    )
    .option('--seed <n>', 'seed of the sampling (default: 0)', integer(0))
    .option('--sequences <n>', 'number of sequences to sample for each input', integer(1), 1)
    .option('--beams <n>', "beam search with n beams; 1: off (default: the checkpoint's, otherwise off)", integer(1))
    .option(
      '--length-penalty <x>',
      "for beam search: divide scores by the length to this power (default: the checkpoint's, otherwise 1)",
      numberOf('', () => true),
    )
    .option('--stop <text>', 'with --prompt: stop before this text; may be repeated', collect)
    .option('--stream', 'with --prompt: print the text while it is generated')
    .addOption(
      new Option('--precision <p>', 'bfloat16: half the memory for weights, matrix products in bfloat16')
        .choices(['float32', 'bfloat16'])
        .default('float32'),
    )
    .addOption(adapterOption())
    .addOption(pluginOption())
    .addOption(bosOption())
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .addOption(engineOption())
    .addOption(deviceOption())
    .action(async (options: GenerateCommandOptions) => {
      checkUsage(options);
      if (options.chat) await generateChat(context, options);
      else if (options.prompt === undefined) await generateFile(context, options);
      else await generateText(context, options, options.prompt);
    });
}

/** The command's name in its outputs. */
const COMMAND = 'graft generate';

const SAMPLING_OPTIONS = ['sample', 'temperature', 'topK', 'topP', 'repetitionPenalty'] as const;

function tokenIds(text: string): number[] {
  const ids = text.split(',').map(Number);
  if (text.trim() === '' || !ids.every((id) => Number.isSafeInteger(id) && id >= 0))
    throw new InvalidArgumentError('Expected token ids, e.g. 1 or 1,107.');
  return ids;
}

function checkUsage(options: GenerateCommandOptions): void {
  const { inputs, output, force, prompt, stop, stream, chat, chatTemplate, system } = options;
  if (force && output === undefined) throw new CommandLineError('--force belongs to --output.');
  if (chat) {
    checkChatUsage(options);
    checkDecoding(options);
    return;
  }
  if (chatTemplate !== undefined || system !== undefined)
    throw new CommandLineError('--chat-template and --system belong to --chat.');
  const fromText = prompt !== undefined;
  if (fromText === (inputs !== undefined)) throw new CommandLineError('Give either --inputs or --prompt.');
  if (fromText && output !== undefined) throw new CommandLineError('--output belongs to --inputs.');
  if (!fromText && (stop || stream)) throw new CommandLineError('--stop and --stream belong to --prompt.');
  checkDecoding(options);
}

/** Rejects options that would have no effect. */
function checkDecoding(options: GenerateCommandOptions): void {
  const { beams, lengthPenalty, sequences, stop, stream, seed, sample, temperature, topK, topP } = options;
  const follows = beams !== undefined && beams > 1;
  if (lengthPenalty !== undefined && beams !== undefined && !follows)
    throw new CommandLineError('--length-penalty belongs to beam search; --beams 1 is none.');
  const drawn = SAMPLING_OPTIONS.filter((name) => options[name] !== undefined);
  if (follows && (drawn.length > 0 || seed !== undefined || sequences > 1 || stop || stream))
    throw new CommandLineError(
      '--beams follows the most probable sequences; it does not go with sampling, --seed, --sequences, --stop or --stream.',
    );
  if (temperature === 0 && (sample || topK !== undefined || topP !== undefined))
    throw new CommandLineError(
      '--temperature 0 takes the most probable token; it does not go with --sample, --top-k or --top-p.',
    );
  const greedy = temperature === 0 || [sample, temperature, topK, topP].every((value) => value === undefined);
  if (greedy && (seed !== undefined || sequences > 1))
    throw new CommandLineError(
      '--seed and --sequences belong to drawing: with --sample, --temperature (above 0), --top-k or --top-p.',
    );
  if (stream && sequences > 1)
    throw new CommandLineError('--stream prints one sequence; it does not go with --sequences.');
}

async function generateFile(context: CommandContext, options: GenerateCommandOptions): Promise<void> {
  const { readHostTensors, writeHostTensors } = await import('@graft/checkpoint');
  const { outputTensors, writtenBy } = await import('@graft/checkpoint/internal');
  const output = options.output === undefined ? undefined : await outputTensors(options.output, COMMAND, options.force);
  const fields = await readHostTensors(options.inputs!);
  const rows = await generateRows(context, options, () => Promise.resolve(fields));
  if (output === undefined) {
    for (const row of rows) context.print(row.join(' '));
    return;
  }
  const width = rows[0].length;
  const values = new Int32Array(rows.length * width);
  rows.forEach((row, i) => values.set(row, i * width));
  await writeHostTensors(
    output,
    { sequences: { dtype: 'int32', shape: [rows.length, width], values } },
    writtenBy(COMMAND),
  );
  context.print(options.output!);
}

async function generateText(context: CommandContext, options: GenerateCommandOptions, prompt: string): Promise<void> {
  const { modelInput } = await import('@graft/core');
  let text: NewText | undefined;
  const rows = await generateRows(
    context,
    options,
    async (model, engine) => {
      const tokenizers = await openTokenizers(context, options, engine);
      await noteSpecialTokens(context, model, tokenizers);
      const { encoder, decoder } = tokenizers;
      const reads = model.kind === 'decoder-only' ? decoder : encoder;
      const values = nonEmpty(modelInput(model, reads.encode(prompt)), prompt);
      text = new NewText(decoder, model.kind === 'decoder-only' ? values.length : 1, options.stop ?? []);
      return { input_ids: { dtype: 'int32', shape: [1, values.length], values } };
    },
    {
      shouldStop: options.stop && ((tokens) => text!.isOver(tokens)),
      onToken: options.stream ? ({ tokens }) => context.write(text!.more(tokens[0])) : undefined,
    },
  );
  if (options.stream) context.print(text!.rest());
  else for (const row of rows) context.print(text!.of(row));
}

async function generateRows(
  context: CommandContext,
  options: GenerateCommandOptions,
  makeFields: (model: Model, engine: Engine) => Promise<HostFields>,
  hooks: Pick<GenerateOptions, 'shouldStop' | 'onToken'> = {},
): Promise<Int32Array[]> {
  const streams = options.stream === true || options.stop !== undefined;
  const decoder = await Decoder.open(context, { ...options, streams });
  try {
    return await decoder.sequences(await makeFields(decoder.model, decoder.engine), hooks);
  } finally {
    decoder.dispose();
  }
}
