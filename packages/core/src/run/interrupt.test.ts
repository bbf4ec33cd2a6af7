import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withInterrupt } from './interrupt';

/** The toy experiment in processes of their own, with real signals. */
const support = join(__dirname, '..', '..', 'test');

let scratch: string;
beforeAll(async () => void (scratch = await mkdtemp(join(tmpdir(), 'graft-signal-'))));
afterAll(() => rm(scratch, { recursive: true, force: true }));

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
}

function start(
  runs: string,
  steps: number,
  checkpointEvery: number,
  resume = false,
  watch?: (text: string, child: ChildProcess) => void,
): Promise<Outcome> {
  const sections = JSON.stringify({ train: { steps, checkpointEvery, logEvery: 100_000 } });
  const args = [
    '--require',
    join(support, 'register-typescript.cjs'),
    join(support, 'run-toy.ts'),
    runs,
    sections,
    ...(resume ? ['--resume'] : []),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    watch?.(output, child);
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output, errors })));
}

async function losses(runs: string): Promise<number[]> {
  const folder = join(runs, 'toy', 'latest');
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);
}

async function status(runs: string): Promise<unknown> {
  return (JSON.parse(await readFile(join(runs, 'toy', 'latest', 'run.json'), 'utf8')) as { status: unknown }).status;
}

/** Sends signals once the output matches. */
function when(
  pattern: RegExp,
  ...signals: [signal: NodeJS.Signals, afterMs: number][]
): (output: string, child: ChildProcess) => void {
  let sent = false;
  return (output, child) => {
    if (sent || !pattern.test(output)) return;
    sent = true;
    for (const [signal, afterMs] of signals) setTimeout(() => child.kill(signal), afterMs);
  };
}

const STEPS = 400;
const NEVER = 1_000_000;

it('a run killed by SIGKILL resumes to the losses of an uninterrupted run', async () => {
  const [calm, rough] = [join(scratch, 'calm'), join(scratch, 'rough')];
  const whole = await start(calm, STEPS, 50);
  expect(whole).toMatchObject({ code: 0, errors: expect.not.stringContaining('rror') as string });
  const killed = await start(rough, STEPS, 50, false, when(/^step 130$/m, ['SIGKILL', 0]));
  expect(killed.signal).toBe('SIGKILL');
  expect(await status(rough)).toBe('running');
  const resumed = await start(rough, STEPS, 50, true);
  expect(resumed.output).toMatch(/^step \d*[05]1$/m);
  expect(resumed.output).not.toMatch(/^step 100$/m);
  expect(resumed).toMatchObject({ code: 0 });
  expect(await status(rough)).toBe('finished');
  expect(await losses(rough)).toHaveLength(STEPS);
  expect(await losses(rough)).toEqual(await losses(calm));
});

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s finishes the step, saves and stops, even when it arrives twice',
  async (signal) => {
    const runs = join(scratch, signal);
    const { code, output } = await start(runs, NEVER, 0, false, when(/^step 20$/m, [signal, 0], [signal, 50]));
    expect(code).toBe(0);
    expect(output.match(/^stopping$/gm)).toHaveLength(1);
    expect(output).toMatch(/^interrupted /m);
    expect(await status(runs)).toBe('interrupted');
    const steps = (await losses(runs)).length;
    expect(steps).toBeGreaterThanOrEqual(20);
    expect(await readdir(join(runs, 'toy', 'latest', 'checkpoints'))).toEqual([`step-${steps}`]);
  },
);

it('a second signal ends the process at once, unless it is an immediate echo of the first', async () => {
  const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  const listeners = process.listenerCount('SIGINT');
  const notices: string[] = [];
  try {
    await withInterrupt(
      async (signal) => {
        expect(signal.aborted).toBe(false);
        process.emit('SIGINT', 'SIGINT');
        process.emit('SIGINT', 'SIGINT');
        expect(signal.aborted).toBe(true);
        expect(exit).not.toHaveBeenCalled();
        await new Promise((resolve) => setTimeout(resolve, 450));
        process.emit('SIGINT', 'SIGINT');
      },
      (signal) => void notices.push(signal),
    );
    expect(exit).toHaveBeenCalledWith(130);
    expect(notices).toEqual(['SIGINT']);
    // An echo may still come: it is heard for a while.
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(process.listenerCount('SIGINT')).toBe(listeners);
  } finally {
    exit.mockRestore();
  }
});
