import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import type { WorkersError } from '@graft/errors';
import type { Message } from '../types';
import { SharedMemory } from './memory';
import { folderProvider, memoryProviders, type MemoryProvider } from './memory-providers';

const parent = temporaryFolder();
const BYTES = 1 << 16;

type Change = (value: Message, rank: number, round: number) => Message;

/** Channels of this many workers in this process. `change`: what becomes of a value on its way. */
function channels(
  count: number,
  change: Change = (value) => value,
): { exchange(value: Message): Promise<Message[]> }[] {
  const rounds: { values: Message[]; missing: number; done: (values: Message[]) => void; all: Promise<Message[]> }[] =
    [];
  return Array.from({ length: count }, (_, rank) => {
    let next = 0;
    return {
      exchange: (value: Message) => {
        const number = next++;
        if (!rounds[number]) {
          let done!: (values: Message[]) => void;
          const all = new Promise<Message[]>((resolve) => (done = resolve));
          rounds[number] = { values: [], missing: count, done, all };
        }
        const round = rounds[number];
        round.values[rank] = change(value, rank, number);
        if (--round.missing === 0) round.done(round.values);
        return round.all;
      },
    };
  });
}

const meet = (
  own: readonly MemoryProvider[],
  change?: Change,
  sizes = [BYTES, BYTES],
): Promise<SharedMemory | WorkersError>[] =>
  channels(2, change).map((channel, rank) =>
    SharedMemory.meet(channel, { rank, bytes: sizes[rank], tokenWords: 16, providers: own }).catch(
      (error: WorkersError) => error,
    ),
  );

/** Both must have the same memory, of which then nothing is left. */
async function works(joining: Promise<SharedMemory | WorkersError>[]): Promise<void> {
  const memories = (await Promise.all(joining)) as SharedMemory[];
  const last = BYTES / 4 - 1;
  memories[0].words[last] = 12345;
  expect(memories[1].words[last]).toBe(12345);
  expect(readdirSync(parent)).toEqual([]);
  for (const memory of memories) memory.close();
  expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain('graft-workers');
}

async function fails(joining: Promise<SharedMemory | WorkersError>[]): Promise<string> {
  const [zero, one] = (await Promise.all(joining)) as WorkersError[];
  expect(zero.code).toBe('workers.shared-memory');
  expect(one.message).toBe(zero.message);
  expect(readdirSync(parent)).toEqual([]);
  return zero.message;
}

const broken: MemoryProvider = {
  name: 'nowhere',
  create: () => {
    throw new Error('it is full');
  },
};

test('workers share memory in every place of this machine', async () => {
  for (const provider of [...memoryProviders(), folderProvider(parent)]) await works(meet([provider]));
});

test('when one place fails, the next one is used', async () => {
  await works(meet([broken, folderProvider(parent)]));
});

test('when the other workers cannot open the memory of worker 0, the next place is used', async () => {
  const elsewhere: Change = (value, rank, round) =>
    rank === 0 && round === 0 ? { ...(value as object), path: join(parent, 'elsewhere') } : value;
  await works(meet([memoryProviders()[0], folderProvider(parent)], elsewhere));
});

test('a file of the same name and size on another machine is not mistaken for the memory', async () => {
  const other = join(temporaryFolder(), 'other');
  writeFileSync(other, new Uint8Array(BYTES));
  const elsewhere: Change = (value, rank, round) =>
    rank === 0 && round === 0 ? { ...(value as object), path: other } : value;
  const message = await fails(meet([folderProvider(parent)], elsewhere));
  expect(message).toBe(
    `The workers of this machine cannot share memory: ${parent}: worker 1: ${other} is another file here.`,
  );
  expect(readFileSync(other)).toEqual(Buffer.alloc(BYTES));
  rmSync(join(other, '..'), { recursive: true });
});

test('every worker reports what failed in each place', async () => {
  expect(await fails(meet([broken, { ...broken, name: 'there' }]))).toBe(
    'The workers of this machine cannot share memory: nowhere: it is full; there: it is full.',
  );
});

test('workers that need memory of different sizes are rejected', async () => {
  expect(await fails(meet([folderProvider(parent)], undefined, [BYTES, 2 * BYTES]))).toContain(
    `worker 1: it needs ${2 * BYTES} bytes, and worker 0 has made ${BYTES} (bucketBytes must be the same for all)`,
  );
});
