/** Starts the children that run inputs, and ends one that hangs or takes too much memory. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findTarget } from '../targets/index.mjs';
import { makeCase, seedsOf, writeCase } from './cases.mjs';
import { signatureOf } from './judge.mjs';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
export const FOUND = fileURLToPath(new URL('../../../.cache/fuzz/', import.meta.url));

/** Of one input: seconds of the processor, so that a busy machine is not a hang; and seconds in which it takes none. */
const LONGEST_CPU_SECONDS = 5;
const LONGEST_IDLE_SECONDS = 40;
const LARGEST_BYTES = 2 ** 30;
const LOOK_MILLISECONDS = 100;
/** Children of one target that may die before it is given up. */
const MOST_DEATHS = 12;
/** Memory of its own where the system has it: inputs are written thousands of times. */
const TEMPORARY = (() => {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
})();

/** Seconds of the processor that a process has taken, and its bytes of memory; undefined when it has ended. */
function look(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // In ticks, of which Linux has a hundred a second; in pages of 4 KiB.
    return { seconds: (Number(fields[11]) + Number(fields[12])) / 100, bytes: Number(fields[21]) * 4096 };
  } catch {
    return undefined;
  }
}

/** Runs one child to its end. `message` gets what it tells. Resolves to what ended it, and at which input. */
function runChild(args, message) {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--expose-gc', '--max-old-space-size=700', CHILD, JSON.stringify({ ...args, temporary: TEMPORARY })],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } },
    );
    let [said, ended, finished] = ['', undefined, false];
    let at = { name: args.jobs[0].name, index: args.jobs[0].from ?? 0 };
    /** Of the input that it is at. */
    let begin;
    child.stderr.on('data', (bytes) => (said = (said + bytes).slice(-4000)));
    createInterface({ input: child.stdio[3] }).on('line', (line) => {
      const told = JSON.parse(line);
      if (told.kind === undefined) {
        at = { name: told.name, index: told.index };
        begin = undefined;
      }
      finished ||= told.finished === true;
      message(told);
    });
    const timer = setInterval(() => {
      const now = look(child.pid);
      if (!now) return;
      begin ??= { seconds: now.seconds, last: now.seconds, at: performance.now() };
      const cpu = now.seconds - begin.seconds;
      if (now.seconds > begin.last) Object.assign(begin, { last: now.seconds, at: performance.now() });
      const idle = (performance.now() - begin.at) / 1000;
      if (now.bytes > LARGEST_BYTES) ended = { kind: 'memory', message: `${Math.round(now.bytes / 2 ** 20)} MiB` };
      else if (cpu > LONGEST_CPU_SECONDS || idle > LONGEST_IDLE_SECONDS)
        ended = { kind: 'hang', message: `${cpu.toFixed(1)} s of the processor, idle for ${idle.toFixed(1)} s` };
      if (ended) child.kill('SIGKILL');
    }, LOOK_MILLISECONDS);
    child.on('close', (code, signal) => {
      clearInterval(timer);
      if (code !== 0 || !finished)
        ended ??= { kind: 'crash', message: `${signal ?? `status ${code}`}: ${said.trim().slice(-1500)}` };
      resolve({ ended, ...at });
    });
  });
}

/**
 * Fuzzes targets one after the other, each for a number of inputs or a time. Gives for each the inputs tried, the seconds that
 * they took, and each mistake once: `{ signature, kind, message, index, times, folder }`; the input lies in that folder.
 */
export async function* fuzzTargets(names, { seed, inputs = Infinity, milliseconds = Infinity }) {
  const results = new Map(
    names.map((name) => [name, { name, inputs: 0, seconds: 0, deaths: 0, found: new Map(), isDone: false }]),
  );
  const add = (name, problem) => {
    const { found } = results.get(name);
    const signature = problem.signature ?? signatureOf(problem);
    const known = found.get(signature);
    if (known) known.times++;
    else found.set(signature, { ...problem, signature, times: 1 });
  };
  const given = new Set();
  const running = { done: false };
  const work = async () => {
    for (;;) {
      const left = [...results.values()].filter(({ isDone }) => !isDone);
      if (left.length === 0) break;
      const jobs = left.map(({ name, inputs: from, seconds }) => ({
        name,
        from,
        until: Math.min(inputs, 2 ** 40),
        milliseconds: Math.min(Math.max(0, milliseconds - 1000 * seconds), 2 ** 40),
      }));
      let begin = performance.now();
      const { ended, name, index } = await runChild({ jobs, seed }, (told) => {
        if (told.kind !== undefined) return add(told.name, told);
        const result = results.get(told.name);
        result.inputs = told.index;
        if (!told.done) return undefined;
        result.isDone = true;
        result.seconds += told.seconds;
        begin = performance.now();
        return undefined;
      });
      if (!ended) continue;
      const result = results.get(name);
      add(name, { ...ended, index });
      result.inputs = index + 1;
      result.seconds += (performance.now() - begin) / 1000;
      result.isDone ||=
        ++result.deaths >= MOST_DEATHS || result.inputs >= inputs || 1000 * result.seconds >= milliseconds;
    }
    running.done = true;
  };
  const ending = work();
  while (given.size < names.length) {
    await Promise.race([ending, new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS))]);
    for (const result of results.values()) {
      if (!result.isDone || given.has(result.name)) continue;
      given.add(result.name);
      const found = [...result.found.values()];
      for (const problem of found) await save(result.name, seed, problem);
      yield { ...result, found };
    }
    if (running.done) await ending;
  }
}

async function save(name, seed, problem) {
  const target = await findTarget(name);
  const seeds = await seedsOf(target);
  const made = makeCase(target, seeds, seed, problem.index);
  const hash = createHash('sha256').update(problem.signature).digest('hex').slice(0, 10);
  problem.folder = join(FOUND, name, hash);
  writeCase(problem.folder, made.files);
  await minimise(name, problem, made.files, seeds[made.origin].files);
}

/** What a saved case shows: problems, each `{ kind, message, signature }`. */
export async function replay(name, folder) {
  const problems = [];
  const { ended } = await runChild(
    { jobs: [{ name, saved: folder }] },
    (told) => told.kind !== undefined && problems.push(told),
  );
  if (ended) problems.push({ ...ended, signature: signatureOf(ended) });
  return problems;
}

const ATTEMPTS = 16;
const MINIMISE_MILLISECONDS = 15_000;
const DEADLY = ['hang', 'memory', 'crash'];

/** Takes away from a saved case what its mistake does not need: changes of files, then pieces of the largest. */
async function minimise(name, { folder, signature, kind }, files, original) {
  const isSame = (one) => (DEADLY.includes(kind) ? one.kind === kind : one.signature === signature);
  const trial = `${folder}.trial`;
  const end = performance.now() + MINIMISE_MILLISECONDS;
  let attempts = DEADLY.includes(kind) ? 6 : ATTEMPTS;
  let best = files;
  const attempt = async (smaller) => {
    if (attempts-- <= 0 || performance.now() > end) return;
    writeCase(trial, smaller);
    if ((await replay(name, trial)).some(isSame)) best = smaller;
  };
  for (const file of Object.keys(files))
    if (original[file] && !original[file].equals(files[file])) await attempt({ ...best, [file]: original[file] });
  const largest = Object.keys(best).sort((a, b) => best[b].length - best[a].length)[0];
  if (largest !== undefined)
    for (let pieces = 2; pieces <= 8; pieces *= 2)
      for (let piece = pieces - 1; piece >= 0; piece--) {
        const bytes = best[largest];
        const [from, to] = [piece, piece + 1].map((i) => Math.floor((i * bytes.length) / pieces));
        if (to > from)
          await attempt({ ...best, [largest]: Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]) });
      }
  writeCase(folder, best);
  rmSync(trial, { recursive: true, force: true });
}
