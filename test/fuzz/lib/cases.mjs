/** A case: bytes by file name. Input `index` of a target is the same wherever it is made. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutateCase } from './mutate.mjs';
import { Random } from './random.mjs';

/** Inputs that showed a mistake once: a folder a case. */
export const CORPUS = fileURLToPath(new URL('../corpus/', import.meta.url));

export function readCase(folder) {
  const files = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(folder, path).split(sep).join('/')] = readFileSync(path);
  }
  return files;
}

export function writeCase(folder, files) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}

/** The seeds of a target: whole cases, which it must read, then those of the corpus. Throws for a seed without a file. */
export async function seedsOf(target) {
  const seeds = (await target.seeds()).map((files) => ({ files, whole: true }));
  if (seeds.length === 0 || seeds.some(({ files }) => Object.keys(files).length === 0))
    throw new Error(`The fuzzer's target ${target.name} has a seed without files: nothing would be tried.`);
  const folder = join(CORPUS, target.name);
  let names = [];
  try {
    names = readdirSync(folder).sort();
  } catch {
    // Nothing was found yet.
  }
  return [...seeds, ...names.map((name) => ({ files: readCase(join(folder, name)), whole: false }))];
}

/** The first inputs are the seeds as they are. */
export function makeCase(target, seeds, seed, index) {
  if (index < seeds.length) return { ...seeds[index], origin: index };
  const random = new Random(`${seed}/${target.name}/${index}`);
  const origin = random.below(seeds.length);
  const { files } = seeds[origin];
  const mutable = Object.keys(files).filter((name) => !target.fixed?.includes(name));
  const mutated = (target.mutate ?? mutateCase)(files, random, mutable);
  return { files: mutated, whole: false, origin };
}
