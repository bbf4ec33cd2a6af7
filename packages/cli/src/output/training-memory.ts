import type { LoraSettings, MemoryEstimate, Optimizer } from '@graft/core';
import type { Precision } from '@graft/engine';
import type { AnyGemmaConfig } from '@graft/gemma';
import { memoryLines } from './memory-table';

/** How a training would be, of which only the size of the model is known. */
export interface TrainingOptions {
  readonly batchSize: number;
  readonly sourceLength: number;
  readonly targetLength: number;
  readonly precision: Precision;
  readonly parameterDtype: 'float32' | 'bfloat16';
  readonly masterWeights: 'float32' | 'none';
  readonly optimizer: 'adamw' | 'adafactor' | 'lion';
  readonly moments: 'float32' | 'bfloat16' | 'int8';
  readonly rematerialize?: boolean;
  readonly attention: NonNullable<AnyGemmaConfig['attention']>;
  readonly chunkTokens?: number;
  readonly loraRank?: number;
  readonly loraTargets?: string;
}

/** The memory of such a training on one device. */
export async function trainingMemory(config: AnyGemmaConfig, options: TrainingOptions): Promise<MemoryEstimate> {
  const { estimateTrainingMemory, LoraModel } = await import('@graft/core');
  const { gemmaOf } = await import('@graft/gemma');
  const { batchSize, sourceLength, targetLength, rematerialize, attention, moments } = options;
  const base = gemmaOf({ ...config, rematerialize, attention });
  const lora = loraOf(options);
  const model = lora ? new LoraModel(base, lora) : base;
  const frozen = new Set(model.parameters.filter((spec) => spec.frozen).map(({ name }) => name));
  return estimateTrainingMemory({
    ...options,
    model,
    isTrained: (name) => !frozen.has(name),
    optimizer: await optimizerOf(options.optimizer, moments),
    batch: { batch: batchSize, sourceLength, targetLength },
  });
}

function loraOf({ loraRank: rank, loraTargets = 'all-linear' }: TrainingOptions): LoraSettings | undefined {
  if (rank === undefined) return undefined;
  const targets = loraTargets === 'all-linear' ? loraTargets : loraTargets.split(',').map((name) => name.trim());
  return { rank, targets, dropout: 0, rslora: false, init: 'kaiming', save: 'adapter' };
}

async function optimizerOf(
  name: TrainingOptions['optimizer'],
  moments: TrainingOptions['moments'],
): Promise<Optimizer> {
  const { Adafactor, AdamW, Lion } = await import('@graft/optimizers');
  const rate = { learningRate: 1 };
  return name === 'adamw' ? new AdamW({ ...rate, moments }) : name === 'lion' ? new Lion(rate) : new Adafactor(rate);
}

/** The same as a table, with a sentence on what it assumes. */
export async function trainingLines(config: AnyGemmaConfig, options: TrainingOptions): Promise<string[]> {
  const { batchSize, sourceLength, targetLength, precision, optimizer, moments, rematerialize, chunkTokens } = options;
  const lengths = {
    'encoder-decoder': `${sourceLength} source and ${targetLength} target tokens`,
    'decoder-only': `${targetLength} tokens`,
    'encoder-only': `${sourceLength} tokens`,
  }[config.kind];
  const settings = [
    ...(options.loraRank === undefined ? [] : [`pairs of rank ${options.loraRank} for ${options.loraTargets}`]),
    `products in ${precision}`,
    rematerialize ? 'blocks computed again for the gradient' : 'nothing computed again',
    chunkTokens === undefined ? 'all logits at once' : `logits of ${chunkTokens} tokens at once`,
  ];
  return [
    ...memoryLines(await trainingMemory(config, options), {
      parameters: options.parameterDtype,
      optimizer: optimizer === 'adamw' ? `${optimizer}, ${moments}` : optimizer,
    }),
    '',
    `A batch of ${batchSize} with ${lengths}; ${settings.join(', ')}.`,
  ];
}
