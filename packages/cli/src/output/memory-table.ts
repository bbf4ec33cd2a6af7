import type { MemoryEstimate } from '@graft/core';
import { table } from './table';

/** The dtypes of what stays in memory, for the table. */
export interface MemoryDtypes {
  readonly parameters: string;
  /** Name of the optimizer, and the dtype of its moments if it has a choice. */
  readonly optimizer: string;
}

/** Always in GiB, so that the rows of a table compare. */
export const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** The memory of a training on each device as a table, and its sum. */
export function memoryLines(memory: MemoryEstimate, { parameters, optimizer }: MemoryDtypes): string[] {
  const unknown = (what: string): string => `not estimated: the ${what} does not say`;
  const rows: [string, number | undefined, string][] = [
    ['parameters', memory.parameters, parameters],
    ['master weights', memory.masterWeights, 'float32'],
    ['optimizer state', memory.optimizerState, memory.optimizerState === undefined ? unknown('optimizer') : optimizer],
    ['moving average', memory.average, 'float32'],
    ['gradients', memory.gradients, 'float32'],
    ['weights cast for products', memory.castWeights, ''],
    ['models beside it', memory.frozenModels, 'float32, whole'],
    ['activations', memory.activations, memory.activations === undefined ? unknown('model') : ''],
    ['logits', memory.logits, memory.logits === undefined ? unknown('model') : ''],
  ];
  const shown = rows.filter(([, bytes]) => bytes !== 0);
  const total = ['total', memory.total, ''] as const;
  return [
    table(
      ['training, on each device', 'memory', ''],
      [...shown, total].map(([what, bytes, note]) => [what, bytes === undefined ? '' : gib(bytes), note]),
      { right: [1] },
    ),
  ];
}
