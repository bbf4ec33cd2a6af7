import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '@graft/test-support';
import { Decoder } from './decoder';
import type { Question } from './perform';

const PATH = join(ROOT, 'test', 'golden', 'fixtures', 'parquet', 'types.parquet');
const CONTENTS: Question = { kind: 'contents', file: { path: PATH, size: statSync(PATH).size } };
/** From the build: a thread cannot run the sources. */
const THREAD = join(ROOT, 'plugins', 'text', 'dist', 'files', 'parquet-format', 'thread.js');

const folder = temporaryFolder();

/** A thread that does this with the first question, and reads the others. */
function thread(name: string, first: string): string {
  const file = join(folder, name);
  const marker = JSON.stringify(join(folder, `${name}.asked`));
  const text = `const { parentPort, workerData } = require('node:worker_threads');
const { existsSync, writeFileSync } = require('node:fs');
const counters = new Int32Array(workerData);
if (existsSync(${marker})) require(${JSON.stringify(THREAD)});
else parentPort.on('message', () => { writeFileSync(${marker}, ''); ${first} });`;
  writeFileSync(file, text);
  return file;
}

it('a thread gives the same answer as reading without one', async () => {
  const here = await new Decoder(join(folder, 'gone.js')).ask(CONTENTS);
  expect(await new Decoder(THREAD).ask(CONTENTS)).toEqual(here);
  expect(here).toMatchObject({ contents: { groups: expect.any(Array) } });
});

it.each([
  [
    'never ends',
    'for (;;);',
    /^it is damaged, or too large \(its table of contents: decoding it made no progress for 0\.5 s\)$/,
  ],
  ['ends', 'process.exit(0);', /\(its table of contents: the thread that reads it ended with status 0\)$/],
  ['throws', "throw new Error('boom');", /\(its table of contents: boom\)$/],
  [
    'takes all memory',
    'const all = []; for (;;) all.push(new Array(1e5).fill(all.length));',
    /it takes more than 64 MiB of memory/,
  ],
])('a thread that %s gives an error, and the next question gets a new thread', async (name, first, reason) => {
  const stillLooks = name === 'never ends' ? 2 : undefined;
  const decoder = new Decoder(thread(`${name.replaceAll(' ', '-')}.js`, first), stillLooks, 64);
  const questions = await Promise.all([decoder.ask(CONTENTS), decoder.ask(CONTENTS)]);
  expect(questions[0]).toEqual({ reason: expect.stringMatching(reason) });
  expect(questions[1]).toMatchObject({ contents: {} });
});

it('a slow thread that makes progress is not stopped', async () => {
  const steps = 'for (let i = 0; i < 12; i++) { Atomics.add(counters, 0, 1); Atomics.wait(counters, 1, 0, 100); }';
  const slow = thread('slow.js', `${steps} parentPort.postMessage({ reason: 'done' });`);
  expect(await new Decoder(slow, 2).ask(CONTENTS)).toEqual({ reason: 'done' });
  // A slow disk is not an error of the file.
  const reading = 'Atomics.add(counters, 1, 1); Atomics.wait(counters, 1, 1, 1200); Atomics.sub(counters, 1, 1);';
  const disk = thread('disk.js', `${reading} parentPort.postMessage({ reason: 'read' });`);
  expect(await new Decoder(disk, 2).ask(CONTENTS)).toEqual({ reason: 'read' });
});
