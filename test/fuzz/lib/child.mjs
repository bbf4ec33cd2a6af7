/** Runs inputs of targets, one after the other; the parent reads from descriptor 3 which one it is at. */
import { mkdtempSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { findTarget } from '../targets/index.mjs';
import { makeCase, readCase, seedsOf, writeCase } from './cases.mjs';
import { problemOf, signatureOf } from './judge.mjs';

/** `jobs`: `{ name, from, until, milliseconds }` each, or `{ name, saved }` for one input that was saved. */
const { jobs, seed, temporary } = JSON.parse(process.argv[2]);

/** Files that may be open between two inputs. */
const OPEN_FILES = 200;
const COLLECT_BYTES = 500 * 2 ** 20;
const LOOK_EVERY = 64;

function tell(message) {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(3, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

let [name, index] = [jobs[0].name, 0];
const found = (problem) => tell({ name, index, ...problem, signature: signatureOf(problem) });
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => {
    found({ kind: 'nobody handles it', message: String(error?.message ?? error), stack: error?.stack });
  });

const folder = mkdtempSync(join(temporary, 'graft-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const clean = Object.getOwnPropertyNames(Object.prototype).length;

async function runOne(target, state, { files, whole }) {
  const at = join(folder, 'case');
  writeCase(at, files);
  let refused;
  try {
    await target.check(at, files, state);
  } catch (error) {
    refused = error;
    const problem = problemOf(error, at, files, target);
    if (problem) found(problem);
  }
  if (whole && refused) found({ kind: 'a whole file is refused', message: refused.message, stack: refused.stack });
  if (Object.getOwnPropertyNames(Object.prototype).length !== clean || 'polluted' in {}) {
    const names = Object.getOwnPropertyNames(Object.prototype).join(', ');
    found({ kind: 'prototype', message: `Object.prototype has ${names}` });
    process.exit(1);
  }
}

/** How many inputs were run. */
async function runMany(target, state, { from, until, milliseconds }) {
  const seeds = await seedsOf(target);
  const end = performance.now() + milliseconds;
  for (index = from; index < until && performance.now() < end; index++) {
    tell({ name, index });
    await runOne(target, state, makeCase(target, seeds, seed, index));
    if (index % LOOK_EVERY !== 0) continue;
    const open = readdirSync('/proc/self/fd').length;
    if (open > OPEN_FILES) {
      found({ kind: 'files stay open', message: `${open} descriptors` });
      process.exit(1);
    }
    if (process.memoryUsage.rss() > COLLECT_BYTES) globalThis.gc();
  }
}

async function runJobs() {
  for (const job of jobs) {
    ({ name } = job);
    index = job.from ?? 0;
    tell({ name, index });
    const target = await findTarget(name);
    const state = await target.setup?.(join(folder, name));
    const begin = performance.now();
    if (job.saved !== undefined) {
      tell({ name, index: 0 });
      await runOne(target, state, { files: readCase(job.saved), whole: false });
    } else await runMany(target, state, job);
    await target.close?.(state);
    tell({ name, index, done: true, seconds: (performance.now() - begin) / 1000 });
  }
  tell({ name, index, finished: true });
}

runJobs().then(
  () => process.exit(0),
  (error) => {
    // The target itself is broken.
    console.error(error);
    process.exit(1);
  },
);
