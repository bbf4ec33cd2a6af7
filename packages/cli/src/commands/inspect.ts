import type { CheckpointReader, TensorInfo, VerifyReport } from '@graft/checkpoint';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';
import { inspectModel, modelLines, type InspectedModel } from '../output/family-facts';
import { factLines, folderFacts, isGemma } from '../output/folder-facts';
import { costLines, costs, presetConfig, type CostOptions } from '../output/model-costs';
import { integer, pluginOption } from './shared/options';
import { trainingOptions } from './shared/training-options';
import { formatBytes, table } from '../output/table';
import { trainingLines, trainingMemory, type TrainingOptions } from '../output/training-memory';

interface InspectOptions extends CostOptions, TrainingOptions {
  json?: boolean;
  verify?: boolean;
  preset?: string;
  plugin?: readonly string[];
}

export function addInspectCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('inspect')
    .description(
      'show what a checkpoint or a model size contains, and how Graft reads it: tensors, bytes, FLOPs, special tokens',
    )
    .argument('[checkpoint]', 'a checkpoint folder, a step-N folder of a run, or a safetensors file')
    .option('--preset <name>', 'a model size or a pair of sizes (2b, 9b-2b) instead of a checkpoint')
    .option('--kind <kind>', 'with --preset: encoder-decoder, decoder-only or encoder-only')
    .option('--dtype <dtype>', 'with --preset: dtype for counting bytes, float32 or bfloat16', 'bfloat16')
    .option('--source-length <n>', 'number of source tokens, for counting FLOPs', integer(1), 4096)
    .option('--target-length <n>', 'number of target tokens, for counting FLOPs', integer(1), 4096)
    .addOption(pluginOption())
    .option('--verify', 'with a checkpoint: read every byte, and compare digests if it has any')
    .option('--json', 'print JSON')
    .action(async (path: string | undefined, options: InspectOptions) => {
      if ((path === undefined) === (options.preset === undefined)) {
        const { UsageError } = await import('@graft/engine');
        throw new UsageError('Name either a checkpoint or --preset.', { code: 'inspect.what' });
      }
      if (options.preset !== undefined) await inspectPreset(context, options.preset, options);
      else await inspectCheckpoint(context, path!, options);
    });
  for (const option of trainingOptions()) command.addOption(option);
}

async function inspectPreset(context: CommandContext, preset: string, options: InspectOptions): Promise<void> {
  const config = await presetConfig(preset, options.kind);
  if (options.json) {
    const training = await trainingMemory(config, options);
    context.print(JSON.stringify({ ...(await costs(config, options)), training }, null, 2));
    return;
  }
  const lines = [...(await costLines(config, options)), '', ...(await trainingLines(config, options))];
  for (const line of lines) context.print(line);
}

async function inspectCheckpoint(context: CommandContext, path: string, options: InspectOptions): Promise<void> {
  const { CheckpointReader, verifyCheckpoint } = await import('@graft/checkpoint');
  const verified = options.verify ? await verifyCheckpoint(path) : undefined;
  const reader = await CheckpointReader.open(path);
  try {
    const tensors = [...reader.tensors.values()];
    const inspect = (): Promise<InspectedModel> => inspectModel(context, reader, options.plugin);
    const config = await reader.config().catch(missingConfig);
    if (options.json)
      context.print(
        JSON.stringify(
          {
            ...totals(tensors),
            ...(config ? { graft: await folderFacts(reader, config, inspect) } : {}),
            config,
            tensors: tensors.map(plain),
            ...(verified ? { verified } : {}),
          },
          null,
          2,
        ),
      );
    else {
      await printTables(context, reader, tensors, config, { ...options, inspect });
      if (verified) for (const line of verifiedLines(verified)) context.print(line);
    }
  } finally {
    await reader.close();
  }
}

function verifiedLines({ digests, nonFinite }: VerifyReport): string[] {
  const how = {
    true: 'Every byte was read, and is as it was written.',
    false:
      'Every byte was read; this checkpoint was written before checkpoints had digests, so that changed bytes are not noticed.',
    undefined:
      'Every byte was read; only the checkpoints of a run have digests, so that changed bytes are not noticed.',
  }[`${digests}`];
  return ['', how, ...(nonFinite.length > 0 ? [`Not finite: ${nonFinite.join(', ')}`] : [])];
}

/** A bare safetensors file, or a folder without config.json, can be inspected as well. */
function missingConfig(error: Error & { code?: string }): undefined {
  if (error.code === 'checkpoint.no-config' || error.code === 'checkpoint.missing') return undefined;
  throw error;
}

const elements = ({ shape }: TensorInfo): number => shape.reduce((product, size) => product * size, 1);
const plain = ({ name, dtype, shape, byteLength }: TensorInfo): object => ({ name, dtype, shape, bytes: byteLength });

function totals(tensors: readonly TensorInfo[]): {
  tensorCount: number;
  parameters: number;
  bytes: number;
  dtypes: Record<string, number>;
  files: number;
} {
  const dtypes: Record<string, number> = {};
  for (const { dtype } of tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
  return {
    tensorCount: tensors.length,
    parameters: tensors.reduce((sum, info) => sum + elements(info), 0),
    bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    dtypes,
    files: new Set(tensors.map(({ file }) => file)).size,
  };
}

async function printTables(
  context: CommandContext,
  reader: CheckpointReader,
  tensors: readonly TensorInfo[],
  config: Record<string, unknown> | undefined,
  { inspect, ...options }: CostOptions & { readonly inspect: () => Promise<InspectedModel> },
): Promise<void> {
  const rows = tensors.map((info) => [
    info.name,
    info.dtype,
    `[${info.shape.join(', ')}]`,
    elements(info).toLocaleString('en'),
  ]);
  context.print(table(['tensor', 'dtype', 'shape', 'elements'], rows, { right: [3] }));
  const { tensorCount, parameters, bytes, dtypes, files } = totals(tensors);
  context.print('');
  const kinds = Object.entries(dtypes).map(([dtype, count]) =>
    Object.keys(dtypes).length === 1 ? dtype : `${count} ${dtype}`,
  );
  context.print(
    `${tensorCount} tensors, ${parameters.toLocaleString('en')} elements, ${formatBytes(bytes)}, ${kinds.join(', ')}, ${files} ${files === 1 ? 'file' : 'files'}`,
  );
  for (const note of reader.notes) context.print(`note: ${note}.`);
  if (!config) return;
  const largest = Object.entries(dtypes).sort((a, b) => b[1] - a[1])[0]?.[0];
  const dtype = largest === 'F32' ? 'float32' : 'bfloat16';
  const described = (await isGemma(config))
    ? await describeConfig(config, `${reader.path}/config.json`, { ...options, dtype })
    : await inspect().then(modelLines, () => []);
  const facts = await folderFacts(reader, config, inspect);
  // A separate line reports what is wrong with config.json.
  const isDescribed = described.some((line) => facts.problem !== undefined && line.includes(facts.problem));
  for (const line of [...described, '', ...factLines(isDescribed ? { ...facts, problem: undefined } : facts)])
    context.print(line);
}

async function describeConfig(config: Record<string, unknown>, where: string, options: CostOptions): Promise<string[]> {
  const { describeModel, readModelConfig } = await import('@graft/gemma');
  let parsed;
  try {
    parsed = readModelConfig(config, {}, where);
  } catch (error) {
    return [`config: ${(error as Error).message}`];
  }
  const sides = {
    ...(parsed.kind === 'decoder-only' ? {} : { encoder: parsed.encoder }),
    ...(parsed.kind === 'encoder-only' ? {} : { decoder: parsed.decoder }),
  };
  const lines = Object.entries(sides).map(
    ([name, side]) =>
      `${name}: ${side.layers} layers, hidden ${side.hidden}, feed-forward ${side.feedForward}, ${side.heads} heads of ${side.headDim}, ` +
      `${side.keyValueHeads} key/value heads${side.layerTypes.includes('sliding_attention') ? `, window ${side.slidingWindow}` : ''}`,
  );
  const idsOf = ({ vocabularySize, padTokenId, bosTokenId, eosTokenIds }: NonNullable<typeof sides.encoder>): string =>
    `vocabulary ${vocabularySize.toLocaleString('en')}, pad ${padTokenId}, start ${bosTokenId}, eos ${eosTokenIds.join(' ')}`;
  const ids = idsOf(sides.decoder ?? sides.encoder!);
  const encoders = sides.encoder ? idsOf(sides.encoder) : ids;
  const tied = parsed.kind === 'encoder-decoder' && parsed.tieEncoderEmbedding;
  const causal = parsed.kind !== 'decoder-only' && parsed.encoderAttention === 'causal';
  const extra = `${tied ? ', encoder embedding tied' : ''}${causal ? ', causal encoder' : ''}`;
  return [
    `config: ${parsed.kind}, ${ids}${extra}`,
    ...(encoders === ids ? [] : [`encoder reads: ${encoders}`]),
    ...lines,
    ...describeModel(parsed),
    '',
    ...(await costLines(parsed, options)),
  ];
}
