import type { DryRun, ExperimentConfig } from '@graft/core';
import { gib, memoryLines } from './memory-table';

const number = (value: number): string => value.toLocaleString('en');

/** What `graft run --dry-run` prints. */
export function dryRunLines(
  { steps, model, batch, memory, device, mesh, free }: DryRun,
  config: ExperimentConfig,
): string[] {
  const { train, optimizer } = config;
  const fields = Object.entries(batch.fields).map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  const { moments } = optimizer as { readonly moments?: string };
  const parts = train.microBatches > 1 ? `, computed in ${train.microBatches} parts` : '';
  const frozen = model.trained === model.parameters ? '' : `, of which ${number(model.trained)} train`;
  return [
    `Model: ${model.kind}, ${number(model.parameters)} parameters${frozen}`,
    `Steps: ${number(steps)}`,
    `First batch${parts}: ${fields.join(', ')}`,
    ...(mesh ? [meshLine(mesh, device)] : device === undefined ? [] : [`Device: ${device}`]),
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

/** `Devices: 8 of cuda, { data: 4, model: 2 }, each with 1 of 4 parts of a batch`. */
function meshLine({ axes, batchParts }: NonNullable<DryRun['mesh']>, device: string | undefined): string {
  const count = Object.values(axes).reduce((product, size) => product * size, 1);
  const sizes = Object.entries(axes).map(([axis, size]) => `${axis}: ${size}`);
  const rows = batchParts === 1 ? 'the whole batch' : `1 of ${batchParts} parts of a batch`;
  return `Devices: ${count}${device === undefined ? '' : ` of ${device}`}, { ${sizes.join(', ')} }, each with ${rows}`;
}
