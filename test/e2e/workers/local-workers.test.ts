import { findNativeLibrary } from '@graft/engine';
import { isProcess } from '@graft/files';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../../support';
import { metricsReach, readJson, startGraft, TINY_MODEL, write, type StartedCommand } from '../support/graft';

const folder = temporaryFolder();
/** The workers' folder for temporary files. */
const TMPDIR = temporaryFolder();

/** `graft run --local-workers 2` of a run that would take hours, once it has done some steps. */
async function train(name: string): Promise<StartedCommand & { readonly pids: readonly number[] }> {
  write(join(folder, 'pairs.jsonl'), '{"question":"a","answer":"b"}\n{"question":"c","answer":"d e"}\n');
  write(
    join(folder, `${name}.yaml`),
    `name: ${name}
${TINY_MODEL}
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq, padToMultipleOf: 8 }
dataset: { use: jsonl, files: pairs.jsonl, source: question, target: answer, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 1000000, batchSize: 4, loader: { threads: 0 } }
engine: graph
runs: ${folder}/runs
`,
  );
  const started = startGraft(['run', `${name}.yaml`, '--local-workers', '2'], folder, { TMPDIR });
  await metricsReach(join(folder, 'runs', name, 'latest'), 3);
  return { ...started, pids: [started.child.pid!, ...childrenOf(started.child.pid!)] };
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number),
  );
}

/** Where a process listens, as the kernel writes it: addresses of 4 or 16 bytes, in words of the machine's order. */
function listens(pid: number): { readonly address: string; readonly protocol: string }[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const LISTEN = '0A';
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((protocol) => {
    const file = `/proc/${pid}/net/${protocol}`;
    const rows = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(1) : [];
    return rows.flatMap((row) => {
      const [, local, , state, , , , , , inode] = row.trim().split(/\s+/);
      const waits = protocol.startsWith('udp') || state === LISTEN;
      return waits && sockets.has(inode) ? [{ protocol, address: local.split(':')[0] }] : [];
    });
  });
}

const LOOPBACK = ['0100007F', '00000000000000000000000001000000'];

/** Files and folders of Graft that are left. */
const leftovers = (pids: readonly number[]): string[] =>
  [...readdirSync(TMPDIR), ...readdirSync('/dev/shm')].filter((name) =>
    pids.some((pid) => name.startsWith(`graft-workers-${pid}-`)),
  );

let possible: boolean;
beforeAll(async () => {
  possible = process.platform === 'linux' && (await findNativeLibrary()) !== undefined;
  if (!possible) console.warn('No native library, or not Linux: runs over local workers are not tested.');
});
const test = (name: string, body: () => Promise<void>): void =>
  it(name, async () => {
    if (possible) await body();
  });

test('local workers listen only on the loopback interface, and not for tensors', async () => {
  const { child, done, pids } = await train('quiet');
  const [zero, one] = pids.map(listens);
  child.kill('SIGINT');
  const { status, stderr } = await done;
  expect(pids).toHaveLength(2);
  // By the control channel the others find worker 0.
  expect(zero).toHaveLength(1);
  expect(LOOPBACK).toContain(zero[0].address);
  expect(one).toEqual([]);
  expect(status).toBe(130);
  expect(stderr).toContain('Stopped at step');
  expect(leftovers(pids)).toEqual([]);
});

test('a killed local worker ends the run with a sentence, and nothing is left over', async () => {
  const { done, pids } = await train('killed');
  process.kill(pids[1], 'SIGKILL');
  const { status, stderr } = await done;
  expect(stderr).toMatch(/graft: Worker 1 \(127\.0\.0\.1:\d+\) was lost: its process has ended\b/);
  expect(status).toBe(1);
  expect(readJson(join(folder, 'runs', 'killed', 'latest', 'run.json'))).toMatchObject({ status: 'failed' });
  expect(leftovers(pids)).toEqual([]);
});

test('the other workers end when worker 0 is killed, and nothing is left over', async () => {
  const { child, done, pids } = await train('headless');
  child.kill('SIGKILL');
  await done;
  for (let waited = 0; waited < 300 && isProcess(pids[1]); waited++) await sleep(100);
  expect(isProcess(pids[1])).toBe(false);
  expect(leftovers(pids)).toEqual([]);
});
