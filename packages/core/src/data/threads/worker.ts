/**
 * Runs in a worker thread: creates the dataset that its config names, and reads batches of items as `ThreadedDataset`
 * requests.
 */
import 'reflect-metadata';
import { GraftError, type Engine } from '@graft/engine';
import { parentPort, workerData } from 'node:worker_threads';
import { callingDataset } from '../../components/dataset-calls';
import { createComponentFactory } from '../../components/factory';
import { loadPluginFile } from '../../config/plugins';
import type { Dataset, TokenizerFacts } from '../../interfaces';
import { silentLogger, type Logger } from '../../util/logger';
import { createRandom } from '../../random/streams';
import { Registry } from '../../components/registry';
import { unpackSecrets } from '../../secrets/mask';
import { redact } from '../../secrets/redact';
import { ItemReader } from '../items';
import {
  disposed,
  packItems,
  thrownError,
  type ExampleLengths,
  type Selected,
  type ThreadData,
  type ThreadReply,
  type ThreadRequest,
  type Variant,
} from './messages';

let dataset: Dataset | undefined;
let reader: ItemReader | undefined;
/** Variants of batches that were sent but not requested yet, in the order of the batches. */
let sentVariants: Variant[] = [];
/** The lengths of their examples, if these are cut to requested lengths, by batch from `firstTold` on. */
let lengths: ExampleLengths[] = [];
let firstSent = 0;

function reply(message: ThreadReply, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer);
}

/** Only the loop's thread computes; a dataset that needs the engine is created there. */
const noEngine = new Proxy({} as Engine, {
  get(_, key) {
    if (key === 'then' || typeof key === 'symbol') return undefined;
    throw new GraftError(`A dataset that runs in a thread of its own has no engine (it asked for "${key}").`, {
      code: 'data.thread-engine',
    });
  },
});

/** Lines for the log of the thread that trains. */
function remoteLogger(): Logger {
  const logger = silentLogger();
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    logger[level] = (...parts: unknown[]) =>
      reply({ log: { level, text: redact(parts.filter((part) => typeof part === 'string').join(' ')) } });
  }
  return logger;
}

function selectedOf(from: Dataset, variants: readonly Variant[]): Selected[] | undefined {
  if (!from.select) return undefined;
  return variants.map((variant) => {
    try {
      return { variant, fields: from.select!(variant ?? undefined) };
    } catch (error) {
      return { variant, thrown: thrownError(error) };
    }
  });
}

/** What a message can carry of a tokenizer: not `byteLength`, which only evaluators call, in the thread that trains. */
const factsOf = ({ vocabularySize, namedTokens, padId, bosId, eosId }: TokenizerFacts): TokenizerFacts => ({
  vocabularySize,
  namedTokens,
  padId,
  bosId,
  eosId,
});

async function answer(request: ThreadRequest): Promise<void> {
  switch (request.ask) {
    case 'open': {
      const { plugins, dataset: spec, seed, run, variants: asked } = workerData as ThreadData;
      const registry = new Registry();
      for (const { name, origin, file } of plugins) registry.register(await loadPluginFile(file, name), origin, file);
      const services = { engine: noEngine, random: createRandom(seed), logger: remoteLogger(), run };
      dataset = await createComponentFactory(registry, services).create('dataset', unpackSecrets(spec));
      const { kind, fields, length, repeats, variants, tokenizer } = dataset;
      const selected = selectedOf(dataset, asked);
      const facts = tokenizer && factsOf(tokenizer);
      const position = dataset.position();
      return reply({
        opened: {
          kind,
          fields,
          length,
          repeats,
          variants,
          selected,
          position,
          tokenizer: facts,
          hasSides: dataset.tokenizers !== undefined,
          cuts: dataset.cut !== undefined,
        },
      });
    }
    case 'restore':
      await callingDataset(dataset!, () => dataset!.restore(request.position));
      return reply({ done: true });
    case 'begin':
      sentVariants = [];
      lengths = [];
      firstSent = 0;
      reader = new ItemReader(
        dataset!,
        request.settings,
        () => sentVariants.shift() ?? undefined,
        request.cuts ? (batch, index) => lengths[batch - firstSent]?.[index] ?? undefined : undefined,
        () => Atomics.add((workerData as ThreadData).items, 0, 1),
      );
      return reply({ done: true });
    case 'next': {
      sentVariants = [...request.variants];
      firstSent += lengths.length;
      lengths = [...(request.tokens ?? [])];
      const read = await reader!.next();
      if ('ended' in read) return reply({ end: read });
      const batch = packItems(read);
      return reply({ batch }, [batch.memory]);
    }
    case 'dispose':
      await reader?.close();
      // Declared void, but an async method fits that type.
      await (dataset?.dispose?.() as unknown);
      return reply({ done: true });
  }
}

let before = Promise.resolve();
let ending = false;
parentPort?.on('message', (request: ThreadRequest) => {
  ending ||= request.ask === 'dispose';
  const act = async (): Promise<void> => {
    if (ending && request.ask !== 'dispose') throw disposed();
    await answer(request);
  };
  before = before.then(act).catch((error: unknown) => reply({ thrown: thrownError(error) }));
});
