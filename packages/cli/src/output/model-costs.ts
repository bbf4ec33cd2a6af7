import type { AnyGemmaConfig, ModelCosts, PartCosts } from '@graft/gemma';
import { formatBytes, table } from './table';

export interface CostOptions {
  readonly kind?: string;
  readonly dtype: string;
  readonly sourceLength: number;
  readonly targetLength: number;
}

const BYTES: Readonly<Record<string, number>> = { float32: 4, bfloat16: 2 };

/** The model config of a preset. Throws UsageError for an unknown name. */
export async function presetConfig(preset: string, kind: string | undefined): Promise<AnyGemmaConfig> {
  const { UsageError } = await import('@graft/engine');
  const { modelOptions, resolveAnyConfig, parsePreset } = await import('@graft/gemma');
  const parsed = modelOptions.safeParse({ preset, kind });
  if (!parsed.success) {
    const [{ message, path }] = parsed.error.issues;
    throw new UsageError(`--${path.join('.')}: ${message}.`, { code: 'inspect.preset' });
  }
  // A single size is a decoder-only model, as its published checkpoint is, unless a kind is given.
  const lone = parsePreset(preset)?.pair === false;
  return resolveAnyConfig({ ...parsed.data, kind: parsed.data.kind ?? (lone ? 'decoder-only' : 'encoder-decoder') });
}

export async function costs(
  config: AnyGemmaConfig,
  { dtype, sourceLength, targetLength }: CostOptions,
): Promise<ModelCosts & { dtype: string; bytes: number }> {
  const { UsageError } = await import('@graft/engine');
  const { modelCosts } = await import('@graft/gemma');
  if (!Object.hasOwn(BYTES, dtype))
    throw new UsageError(`--dtype: "${dtype}" is none of ${Object.keys(BYTES).join(', ')}.`, { code: 'inspect.dtype' });
  const found = modelCosts(config, { sourceLength, targetLength });
  return { ...found, dtype, bytes: found.parameters * BYTES[dtype] };
}

const TITLES = {
  encoder: 'encoder',
  decoder: 'decoder',
  crossAttention: 'cross-attention',
  output: 'output',
} as const;

/** 4.05e9 → `4.05 G` */
export function operations(flops: number): string {
  const units = ['', ' k', ' M', ' G', ' T', ' P', ' E', ' Z'];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, flops)) / 3)));
  return `${(flops / 1000 ** unit).toPrecision(3)}${units[unit]}`;
}

/** The costs as a table, one row per part. */
export async function costLines(config: AnyGemmaConfig, options: CostOptions): Promise<string[]> {
  const { parts, parameters, embedding, bytes, dtype, lengths, kind } = await costs(config, options);
  const width = BYTES[dtype];
  const count = (value: number): string => (value === 0 ? '' : value.toLocaleString('en'));
  const row = (title: string, part: Pick<PartCosts, 'parameters' | 'embedding'>, flops: string): string[] => {
    const all = part.parameters + part.embedding;
    return [title, count(part.parameters), count(part.embedding), all === 0 ? '' : formatBytes(all * width), flops];
  };
  const rows = (['encoder', 'decoder', 'crossAttention', 'output'] as const).flatMap((name) => {
    const part = parts[name];
    const title = name === 'output' && part?.embedding === 0 ? 'output (tied)' : TITLES[name];
    return part ? [row(title, part, operations(part.forwardFlopsPerToken))] : [];
  });
  rows.push(row('total', { parameters: parameters - embedding, embedding }, ''));
  const { sourceLength, targetLength } = lengths;
  const read = {
    'encoder-decoder': `${sourceLength} source and ${targetLength} target tokens`,
    'decoder-only': `${targetLength} tokens`,
    'encoder-only': `${sourceLength} tokens`,
  }[kind];
  return [
    table(['', 'parameters', 'embedding', dtype, 'FLOPs/token'], rows, { right: [1, 2, 3, 4] }),
    '',
    `${parameters.toLocaleString('en')} parameters, ${formatBytes(bytes)}. FLOPs: forward, at ${read}; a training step takes three times as many.`,
  ];
}
