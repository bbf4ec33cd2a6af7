import { onThreadEnd } from '@graft/engine/internal';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type {
  ComponentSpec,
  Dataset,
  FieldSpec,
  HostFields,
  JsonValue,
  RunInfo,
  SideTokenizers,
  TokenizerFacts,
} from '../../interfaces';
import type { Logger } from '../../util/logger';
import type { Registry } from '../../components/registry';
import { packSecrets } from '../../secrets/mask';
import {
  hasNotReturned,
  type DataEnd,
  type ItemBatch,
  type ItemSettings,
  type ItemSource,
  type TokensOf,
  type VariantOf,
} from '../items';
import { beginCall } from '../../util/pending';
import {
  disposed,
  revivedError,
  unpackItems,
  type ExampleLengths,
  type Opened,
  type ThreadData,
  type ThreadReply,
  type ThreadRequest,
} from './messages';

const WORKER_FILE = join(__dirname, 'worker.js');

/** A thread that needs longer to dispose its dataset is terminated. */
const DISPOSAL_MS = 2000;

export interface DataThreadOptions {
  readonly registry: Registry;
  readonly dataset: ComponentSpec;
  /** Seed of the run: the dataset gets the same random stream as in the run's own thread. */
  readonly seed: number;
  readonly run?: RunInfo;
  readonly logger: Logger;
  /** Number n of threads; each produces every n-th batch, from its own dataset. */
  readonly threads: number;
  /** Number of batches that are produced ahead. */
  readonly batchesAhead: number;
  /** Variants of the objective that may be selected. */
  readonly variants?: readonly string[];
  /** The file that a thread runs. Default: this package's compiled one. */
  readonly workerFile?: string;
}

/** A dataset that runs in separate threads. It must be disposed, which ends them. */
export class ThreadedDataset implements Dataset {
  readonly kind: Dataset['kind'];
  readonly fields: readonly FieldSpec[];
  readonly length?: number;
  readonly repeats?: boolean;
  readonly variants?: readonly string[];
  readonly tokenizer?: TokenizerFacts;
  /** Whether the threads' datasets have `tokenizers`, which no message can carry. */
  readonly hasSides: boolean;
  /** Set by whoever opens a dataset with `hasSides`. */
  tokenizers?: SideTokenizers;
  /** Present if the dataset has it. Batches follow the settings of `batches`, whatever is selected. */
  readonly select?: (variant: string | undefined) => readonly FieldSpec[];
  /** Present if the dataset has it; batches follow the settings of `batches`. */
  readonly cut?: (tokens: number | undefined) => void;
  private selected: string | undefined;
  private wanted: number | undefined;
  private read = false;

  private constructor(
    private readonly threads: readonly Thread[],
    private at: JsonValue,
    { kind, fields, length, repeats, variants, selected, tokenizer, hasSides, cuts }: Opened,
    private readonly batchesAhead: number,
    /** Number of items that all threads together have read. */
    private readonly items: Int32Array,
  ) {
    this.kind = kind;
    this.fields = fields;
    this.length = length;
    this.repeats = repeats;
    this.variants = variants;
    this.tokenizer = tokenizer;
    this.hasSides = hasSides;
    if (cuts) this.cut = (tokens) => void (this.wanted = tokens);
    if (!selected) return;
    this.select = (variant) => {
      const found = selected.find((one) => one.variant === (variant ?? null));
      if (found?.thrown) throw revivedError(found.thrown);
      this.selected = variant;
      return found?.fields ?? fields;
    };
  }

  /**
   * Returns a reason instead if the dataset's plugin cannot be loaded in a thread, or the dataset cannot be created
   * there: then create it in this thread, which also reports errors in it. Throws if a thread dies.
   */
  static async open(options: DataThreadOptions): Promise<ThreadedDataset | { readonly refused: string }> {
    const { registry, dataset, seed, run, workerFile = WORKER_FILE } = options;
    if (!existsSync(workerFile)) return { refused: 'the code of its thread is not compiled' };
    const own = registry.find('dataset', dataset.use);
    if (own.file === undefined) return { refused: `plugin "${own.plugin}" is part of ${own.origin}` };
    // A dataset may ask for what any plugin provides.
    const wanted = [...registry.list('dataset'), ...registry.list('tokenizer'), ...registry.provided];
    const plugins = new Map(
      wanted.flatMap(({ plugin, origin, file }) =>
        file === undefined ? [] : [[plugin, { name: plugin, origin, file }]],
      ),
    );
    const variants = [...(options.variants ?? []), null];
    const items = new Int32Array(new SharedArrayBuffer(4));
    const data: ThreadData = {
      plugins: [...plugins.values()],
      dataset: packSecrets(dataset),
      seed,
      run,
      variants,
      items,
    };
    const threads = Array.from({ length: options.threads }, () => new Thread(workerFile, data, options.logger));
    const deaths: Error[] = [];
    try {
      const end = beginCall(`dataset "${own.plugin}/${own.definition.id}" has not opened`);
      const opened = await Promise.all(
        threads.map((thread) =>
          thread.ask({ ask: 'open' }).catch((error: unknown) => {
            // One that refused and ended afterwards did not die of its refusal.
            if (thread.failure !== undefined && error === thread.failure) deaths.push(thread.failure);
            throw error;
          }),
        ),
      ).finally(end);
      const [first] = opened as { opened: Opened }[];
      return new ThreadedDataset(threads, first.opened.position, first.opened, options.batchesAhead, items);
    } catch (error) {
      for (const thread of threads) void thread.end().catch(() => undefined);
      // The cause that ended a thread would end this one as well.
      if (deaths.length > 0) throw deaths[0];
      return { refused: (error as Error).message };
    }
  }

  position(): JsonValue {
    return this.at;
  }

  async restore(position: JsonValue): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.ask({ ask: 'restore', position })));
    this.at = position;
  }

  /** Batches from the position on. Throws DataError if one cannot be split evenly. */
  batches(settings: ItemSettings, variantOf: VariantOf = () => undefined, tokensOf?: TokensOf): ItemSource {
    const { threads, batchesAhead } = this;
    const count = threads.length;
    // Earlier readers may have left batches that were produced ahead.
    if (this.read) void this.restore(this.at).catch(() => undefined);
    this.read = true;
    const cuts = this.cut !== undefined && tokensOf !== undefined;
    const lengthsOf = (batch: number): ExampleLengths =>
      Array.from({ length: settings.batchSize }, (_, index) => tokensOf!(batch, index) ?? null);
    const began = threads.map((thread, index) =>
      thread.ask({ ask: 'begin', settings: { ...settings, threadStride: { index, count } }, cuts }),
    );
    const queue: Promise<ItemBatch | DataEnd>[] = [];
    let asked = 0;
    const askFor = async (number: number): Promise<ItemBatch | DataEnd> => {
      const index = number % count;
      const from = Math.max(0, number - count + 1);
      const variants = Array.from({ length: number - from + 1 }, (_, i) => variantOf(from + i) ?? null);
      const tokens = cuts ? Array.from({ length: number - from + 1 }, (_, i) => lengthsOf(from + i)) : undefined;
      const reply = threads[index].ask({ ask: 'next', variants, tokens });
      // If the thread could not begin, nobody waits for it.
      reply.catch(() => undefined);
      await began[index];
      const made = await reply;
      return 'end' in made ? made.end : unpackItems((made as { batch: Parameters<typeof unpackItems>[0] }).batch);
    };
    const fill = (): void => {
      while (queue.length < Math.max(batchesAhead, 1)) {
        const made = askFor(asked++);
        // It is awaited in its turn; this handler prevents an unhandled rejection until then.
        void made.catch(() => undefined);
        queue.push(made);
      }
    };
    for (const one of began) void one.catch(() => undefined);
    fill();
    return {
      next: async () => {
        const end = beginCall(hasNotReturned(this), () => Atomics.load(this.items, 0));
        const read = await queue[0].finally(end);
        // The end of the data, or an error, is kept to be reported again.
        if ('ended' in read) return read;
        void queue.shift();
        this.at = read.position;
        fill();
        return read;
      },
      close: () => Promise.resolve(),
    };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    const { selected } = this;
    const source = this.batches({ batchSize: 1 }, () => selected, this.cut && (() => this.wanted));
    for (let read = await source.next(); !('ended' in read); read = await source.next()) yield read.items[0];
  }

  /** Each thread disposes its dataset and ends. Throws exceptions of a dataset's `dispose`. */
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- a run waits for it, other owners need not
  async dispose(): Promise<void> {
    const ended = await Promise.allSettled(this.threads.map((thread) => thread.end()));
    const failed = ended.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/** A thread that answers requests in order. */
class Thread {
  private readonly worker: Worker;
  private readonly waiting: { resolve: (reply: ThreadReply) => void; reject: (error: unknown) => void }[] = [];
  /** Why it no longer answers. */
  failure: Error | undefined;
  private ended = false;

  constructor(file: string, data: ThreadData, logger: Logger) {
    this.worker = new Worker(file, { workerData: data });
    this.worker.on('message', (reply: ThreadReply) => {
      if ('log' in reply) return logger[reply.log.level](reply.log.text);
      // No request waits for an answer that was pending when the thread failed.
      const asker = this.waiting.shift();
      if ('thrown' in reply) asker?.reject(revivedError(reply.thrown));
      else asker?.resolve(reply);
    });
    onThreadEnd(this.worker, 'A thread that reads data', 'data.thread', (error) =>
      this.fail(this.ended ? disposed() : error),
    );
  }

  ask(request: ThreadRequest): Promise<ThreadReply> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request);
    });
  }

  async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    try {
      await Promise.race([this.ask({ ask: 'dispose' }), sleep(DISPOSAL_MS, undefined, { ref: false })]);
    } catch (error) {
      // A thread that has ended has nothing to dispose.
      if (this.failure === undefined) throw error;
    } finally {
      await this.worker.terminate();
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.failure);
  }
}
