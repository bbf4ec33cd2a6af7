import type { DryRun, ExperimentConfig } from '@graft/core';
import { gib, memoryLines } from './memory-table';

const number = (value: number): string => value.toLocaleString('en');

/** What `graft run --dry-run` prints. */
export function dryRunLines({ model, batch, memory, free }: DryRun, config: ExperimentConfig): string[] {
  const { train, optimizer } = config;
  const fields = Object.entries(batch.fields).map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  const { moments } = optimizer as { readonly moments?: string };
  const parts = train.microBatches > 1 ? `, computed in ${train.microBatches} parts` : '';
  const frozen = model.trained === model.parameters ? '' : `, of which ${number(model.trained)} train`;
  return [
    `Model: ${model.kind}, ${number(model.parameters)} parameters${frozen}`,
    `First batch${parts}: ${fields.join(', ')}`,
    '',
    ...memoryLines(memory, {
      parameters: train.parameterDtype ?? 'float32',
      optimizer: moments === undefined ? optimizer.use : `${optimizer.use}, ${moments}`,
    }),
    '',
    ...(free === undefined ? [] : [`${gib(free)} of memory are free on this machine.`]),
    'Nothing was trained, and no run folder was made.',
  ];
}
