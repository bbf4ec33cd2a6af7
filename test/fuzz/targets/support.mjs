import { createComponentFactory, createRandom, Registry, silentLogger } from '@graft/core';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as text } from '@graft/text';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCase } from '../lib/cases.mjs';
import { Wrong } from '../lib/judge.mjs';

export { Wrong };

const FIXTURES = fileURLToPath(new URL('../../golden/fixtures/', import.meta.url));

export const fixture = (name) => readFileSync(`${FIXTURES}${name}`);
export const json = (value) => Buffer.from(JSON.stringify(value));

/** Components of the plugins that read files; they compute nothing, so they need no engine. */
export function components() {
  const registry = new Registry();
  for (const plugin of [text, gemma, objectives]) registry.register(plugin, 'here');
  const services = { engine: {}, random: createRandom(0), logger: silentLogger() };
  return createComponentFactory(registry, services);
}

export const openDataset = (use, options) => components().create('dataset', { use, ...options });

/** Items of a data set, at most `count`; the data set is closed. */
export async function itemsOf(dataset, count = 2000) {
  const items = [];
  try {
    const iterator = dataset[Symbol.asyncIterator]();
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      items.push(next.value);
      if (items.length >= count) break;
    }
    await iterator.return?.();
  } finally {
    dataset.dispose?.();
  }
  return items;
}

/** Whether reading is refused; errors that are Graft's only, the others go on. */
export async function outcome(work) {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

/** `oracle`: a clause on why the input cannot be read, or undefined. Throws Wrong where the reader took it; else its own error. */
export function compare({ error, value }, oracle) {
  if (error) throw error;
  if (oracle !== undefined) throw new Wrong(`accepted, though ${oracle}`);
  return value;
}

/** What `write` leaves in a folder, as a case. */
export async function written(write) {
  const folder = mkdtempSync(join(tmpdir(), 'graft-fuzz-seed-'));
  try {
    await write(folder);
    return readCase(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
