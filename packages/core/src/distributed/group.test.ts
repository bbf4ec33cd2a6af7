import type { WorkerGroup } from '@graft/engine';
import { NETWORK_EXPOSURE } from '@graft/engine/internal';
import type { Objective } from '../interfaces';
import { redact } from '../secrets/redact';
import { checkWorkerOptions, compareFiles, type WorkerOptions } from './group';

/** Groups in one process, whose exchanges end when all have said something. */
function groups(count: number): WorkerGroup[] {
  const exchanged: unknown[] = [];
  const waiting: ((values: unknown[]) => void)[] = [];
  return Array.from({ length: count }, (_, rank) => ({
    rank,
    count,
    addresses: Array.from({ length: count }, (_address, at) => `host:${at}`),
    exchange: (value: unknown) =>
      new Promise((resolve) => {
        exchanged[rank] = value;
        if (waiting.push(resolve) === count) for (const one of waiting) one([...exchanged]);
      }),
  })) as unknown as WorkerGroup[];
}

const reading = (digests?: Record<string, string>): Objective =>
  (digests ? { fileDigests: () => Promise.resolve(digests) } : {}) as Objective;

const outcomes = (...objectives: Objective[]): Promise<PromiseSettledResult<void>[]> => {
  const all = groups(objectives.length);
  return Promise.allSettled(objectives.map((objective, rank) => compareFiles(all[rank], objective)));
};

describe('the files of an objective', () => {
  it('workers without files or with equal files pass the comparison', async () => {
    const teacher = { 'the teacher /a': 'x' };
    for (const objective of [reading(), reading({}), reading(teacher)])
      for (const { status } of await outcomes(objective, objective, objective)) expect(status).toBe('fulfilled');
  });

  it.each([
    ['other content', reading({ 'the teacher /a': 'y', more: 'z' })],
    ['one too few', reading({ more: 'z' })],
    ['none', reading()],
  ])('all workers report files that differ: %s', async (_, other) => {
    const own = reading({ 'the teacher /a': 'x', more: 'z' });
    for (const outcome of await outcomes(own, own, other))
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({
        code: 'data.differs',
        message: 'Workers 0 (host:0) and 2 (host:2) do not have the same files: the teacher /a differs.',
      });
  });
});

describe('the options of a worker group', () => {
  const SECRET = 'canary-of-a-secret-0123';
  const options = (more: object): WorkerOptions => ({ addresses: ['a:1', 'b:1'], rank: 0, secret: SECRET, ...more });
  const problemOf = (more: object): unknown => {
    try {
      checkWorkerOptions(options(more));
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it('a group must accept an insecure network or be on one machine', () => {
    expect(problemOf({ insecureNetwork: true })).toBeUndefined();
    expect(problemOf({ local: true })).toBeUndefined();
    expect(problemOf({})).toMatchObject({ name: 'UsageError', exitCode: 2, message: NETWORK_EXPOSURE });
  });

  it('a secret needs at least 16 bytes, is in no error message, and is masked elsewhere', () => {
    expect(problemOf({ local: true, secret: new Uint8Array(16).fill(1) })).toBeUndefined();
    for (const secret of ['', 'canary-too-shor', undefined]) {
      const error = problemOf({ local: true, secret }) as Error;
      expect(error).toMatchObject({ name: 'UsageError', code: 'workers.secret', exitCode: 2 });
      expect(error.message + String((error as { hint?: string }).hint)).not.toContain('canary');
    }
    checkWorkerOptions(options({ local: true }));
    expect(redact(`It is ${SECRET}.`)).not.toContain(SECRET);
  });
});
