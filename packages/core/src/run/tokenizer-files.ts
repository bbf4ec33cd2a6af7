import { listSnapshots, readRecord, readTokenizerFiles } from '@graft/checkpoint';
import { basename, dirname } from 'node:path';
import type { ComponentSpec, JsonValue, InterfaceName } from '../interfaces';
import type { ExperimentConfig } from '../config';
import { withRegistry } from '../config/sections';
import { walk, type Visitor } from '../config/walk';
import type { Registry } from '../components/registry';

/** Small files next to the weights of a checkpoint, by name. */
export type ExtraFiles = Readonly<Record<string, string | Uint8Array>>;

/**
 * The tokenizer files for a run's checkpoints, which make these usable on their own. A resumed run copies them from its
 * newest checkpoint in `checkpoints`; otherwise they come from the tokenizer that encodes its data or, if the data do
 * not name a tokenizer, from the checkpoint with the initial parameters. Empty for a tokenizer without such files, for
 * example `bytes`.
 */
export async function findTokenizerFiles(
  { dataset, initializer }: Pick<ExperimentConfig, 'dataset' | 'initializer'>,
  registry: Registry,
  checkpoints: string,
): Promise<ExtraFiles> {
  const newest = (await listSnapshots(checkpoints)).pop();
  const kept = newest ? await readTokenizerFiles(newest.folder) : {};
  if (Object.keys(kept).length > 0) return kept;
  const ofData = tokenizersOf(dataset, registry);
  const folders =
    ofData.length > 0
      ? ofData.flatMap((tokenizer) => pathsOf('tokenizer', tokenizer, registry))
      : pathsOf('initializer', initializer, registry);
  for (const path of folders) {
    const files = await readTokenizerFiles(basename(path) === 'tokenizer.json' ? dirname(path) : path);
    if (Object.keys(files).length > 0) return files;
  }
  return {};
}

/**
 * The record in the checkpoint from which a run resumes, its newest one in `checkpoints`, or else from which it starts:
 * the sections of the first graft.json among the folders that the initializer names. Without `checkpoints`: as for a
 * new run.
 */
export async function findRecord(
  { initializer }: { readonly initializer: ComponentSpec },
  registry: Registry,
  checkpoints?: string,
): Promise<Readonly<Record<string, JsonValue>>> {
  const newest = checkpoints === undefined ? undefined : (await listSnapshots(checkpoints)).pop();
  for (const path of newest ? [newest.folder] : pathsOf('initializer', initializer, registry)) {
    const record = await readRecord(path);
    if (Object.keys(record).length > 0) return record as Readonly<Record<string, JsonValue>>;
  }
  return {};
}

/** Tokenizers that a dataset names, including those of its parts. */
function tokenizersOf(dataset: ComponentSpec, registry: Registry): ComponentSpec[] {
  const found: ComponentSpec[] = [];
  visit('dataset', dataset, registry, {
    path: (value) => value,
    component: (interface_, value) => {
      if (interface_ === 'tokenizer') found.push(value as ComponentSpec);
      else if (interface_ === 'dataset') found.push(...tokenizersOf(value as ComponentSpec, registry));
      return value;
    },
  });
  return found;
}

/** Files and folders that a component names. */
export function pathsOf(interface_: InterfaceName, spec: ComponentSpec, registry: Registry): string[] {
  const found: string[] = [];
  visit(interface_, spec, registry, {
    path: (value) => {
      if (typeof value === 'string') found.push(value);
      return value;
    },
    component: (_, value) => value,
  });
  return found;
}

function visit(interface_: InterfaceName, spec: ComponentSpec, registry: Registry, visitor: Visitor): void {
  const { options } = registry.find(interface_, spec.use).definition;
  withRegistry(registry, () => walk(options, spec, interface_, visitor));
}
