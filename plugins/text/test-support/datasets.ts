import {
  createComponentFactory,
  createRandom,
  Registry,
  silentLogger,
  type ComponentFactory,
  type Dataset,
  type HostFields,
  type Logger,
  type SpecialTokenPolicy,
  type Tokenizer,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { plugin } from '../src';

/** Components of this plugin; they compute nothing, so they need no engine. */
export function components(
  seed = 0,
  specialTokens?: SpecialTokenPolicy,
  logger: Logger = silentLogger(),
): ComponentFactory {
  const registry = new Registry();
  registry.register(plugin, 'here');
  const run = specialTokens && { name: 'run', id: '1', folder: '.', config: {}, specialTokens };
  const services = { engine: {} as Engine, random: createRandom(seed), logger, run };
  return createComponentFactory(registry, services);
}

export function openDataset(use: string, options: object, seed = 0, logger?: Logger): Promise<Dataset> {
  return components(seed, undefined, logger).create('dataset', { use, ...options });
}

/** The tokenizer of a tokenizer.json, or of its folder. */
export function openTokenizer(path: string): Promise<Tokenizer> {
  return components().create('tokenizer', { use: 'huggingface', path });
}

/** A folder with these files, which exists as long as the test file runs. */
export function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** The next items, at most `count`. The dataset's position is after the last of them. */
export async function take(dataset: Dataset, count: number): Promise<HostFields[]> {
  const items: HostFields[] = [];
  const iterator = dataset[Symbol.asyncIterator]();
  while (items.length < count) {
    const { value, done } = await iterator.next();
    if (done) break;
    items.push(value);
  }
  await iterator.return?.();
  return items;
}

/** One field of the items as plain lists. */
export function lists(items: readonly HostFields[], field: string): number[][] {
  return items.map((item) => Array.from(item[field].values));
}
