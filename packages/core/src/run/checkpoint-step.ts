import { stepOf } from '@graft/checkpoint';
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Registry } from '../components/registry';
import type { ComponentSpec } from '../interfaces';
import { pathsOf } from './tokenizer-files';

/**
 * The step of the checkpoint from which an initializer takes the parameters or their average; undefined if the
 * initializer names several checkpoints, or none that a run has written.
 */
export async function findCheckpointStep(initializer: ComponentSpec, registry: Registry): Promise<number | undefined> {
  const steps: (number | undefined)[] = [];
  for (const path of pathsOf('initializer', initializer, registry)) {
    const folder = await realpath(path).catch(() => path);
    const snapshot = basename(folder) === 'average' ? dirname(folder) : folder;
    steps.push(stepOf(basename(snapshot)));
  }
  return steps.length === 1 ? steps[0] : undefined;
}
