import { randomInt } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { WorkersError } from '@graft/errors';
import { systemFunction } from '../../foreign/library';
import { viewNative, type Pointer } from '../../foreign/memory';
import type { ControlChannel } from '../control/channel';
import type { Message } from '../types';
import { memoryProviders, type Created, type MemoryProvider } from './memory-providers';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const FAILED = 2n ** 64n - 1n;

type Map = (at: number, bytes: number, protection: number, flags: number, file: number, offset: number) => bigint;

/** The memory that worker 0 has created, or why it could not. */
type Offer =
  | { readonly path: string; readonly bytes: number; readonly token: readonly number[] }
  | { readonly problem: string }
  | { readonly end: string };

interface Meeting {
  readonly rank: number;
  /** The same in all workers. */
  readonly bytes: number;
  /** Number of words at the start by which a worker recognises the memory. */
  readonly tokenWords: number;
  /** Where worker 0 tries to create the memory, the best place first. Default: the places that this machine offers. */
  readonly providers?: readonly MemoryProvider[];
}

/** Memory that the workers of one machine share. It disappears when they end, however they end. */
export class SharedMemory {
  readonly words: Int32Array;
  private mapped = true;

  private constructor(
    private readonly start: Pointer,
    private readonly bytes: number,
  ) {
    this.words = new Int32Array(viewNative(start, bytes), 0, Math.floor(bytes / 4));
  }

  address(offset: number): Pointer {
    return this.start + BigInt(offset);
  }

  floats(offset: number, bytes: number): Float32Array {
    return new Float32Array(this.words.buffer, offset, bytes / 4);
  }

  /** The caller must not use views of it any more. */
  close(): void {
    if (!this.mapped) return;
    this.mapped = false;
    systemFunction<(start: Pointer, bytes: number) => number>('int munmap(uintptr_t, size_t)')!(this.start, this.bytes);
  }

  /**
   * Worker 0 creates the memory, and the others open it. If that does not work for all, it continues with the next
   * place. Throws WorkersError with the problem of each place.
   */
  static async meet(channel: Pick<ControlChannel, 'exchange'>, meeting: Meeting): Promise<SharedMemory> {
    const { rank, bytes, tokenWords } = meeting;
    const own = rank === 0 ? [...(meeting.providers ?? memoryProviders())] : [];
    const problems: string[] = [];
    for (;;) {
      const provider = own.shift();
      let created: Created | undefined;
      let memory: SharedMemory | undefined;
      try {
        let offer: Offer = { end: problems.join('; ') };
        try {
          if (provider) {
            created = provider.create(bytes);
            memory = SharedMemory.map(created.descriptor, bytes);
            const token = Array.from({ length: tokenWords }, () => randomInt(2 ** 31));
            memory.words.set(token);
            offer = { path: created.path, bytes, token };
          }
        } catch (error) {
          offer = { problem: (error as Error).message };
        }
        const [made] = (await channel.exchange(rank === 0 ? (offer as Message) : null)) as unknown as [Offer];
        if ('end' in made) throw noMemory(made.end);
        let problem: string | null = 'problem' in made ? made.problem : null;
        if (rank > 0 && 'path' in made) {
          try {
            memory = SharedMemory.open(made, bytes);
          } catch (error) {
            problem = `worker ${rank}: ${(error as Error).message}`;
          }
        }
        const found = (await channel.exchange(problem)).find((one) => typeof one === 'string');
        if (found === undefined) return memory!;
        if (provider) problems.push(`${provider.name}: ${found}`);
        memory?.close();
      } catch (error) {
        memory?.close();
        throw error;
      } finally {
        created?.remove();
      }
    }
  }

  private static open({ path, bytes, token }: Extract<Offer, { path: string }>, expected: number): SharedMemory {
    const file = openSync(path, 'r+');
    try {
      const status = fstatSync(file);
      if (bytes !== expected)
        throw new Error(
          `it needs ${expected} bytes, and worker 0 has made ${bytes} (bucketBytes must be the same for all)`,
        );
      if (status.isFile() && status.uid === process.getuid?.() && status.size === bytes) {
        const memory = SharedMemory.map(file, bytes);
        if (token.every((word, i) => memory.words[i] === word)) return memory;
        memory.close();
      }
      throw new Error(`${path} is another file here`);
    } finally {
      closeSync(file);
    }
  }

  private static map(file: number, bytes: number): SharedMemory {
    const mmap = systemFunction<Map>('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)');
    if (!mmap) throw new Error('this system has no mmap');
    const start = BigInt(mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED, file, 0));
    if (start === FAILED) throw new Error(`${bytes} bytes cannot be mapped`);
    return new SharedMemory(start, bytes);
  }
}

function noMemory(problems: string): WorkersError {
  return new WorkersError(`The workers of this machine cannot share memory: ${problems}.`, {
    code: 'workers.shared-memory',
    hint: 'They need a few MiB each, in memory or in the folder for temporary files (TMPDIR), and must run as the same user in the same container.',
  });
}
