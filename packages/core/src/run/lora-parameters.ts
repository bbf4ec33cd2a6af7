import { CheckpointError, tf } from '@graft/engine';
import type { Initializer, Parameters } from '../interfaces';
import type { LoraModel } from '../training/lora/lora-model';
import { FrozenDigest, newPairs, savedPairs } from '../training/lora/initial-pairs';
import type { RandomStream } from '../random/streams';
import { fillParameters } from './parameters';
import { readParameters, type FoundSnapshot } from './snapshots';

/** What worker 0 has read. The others get the parameters from it. */
export interface ReadParameters {
  readonly parameters?: Parameters;
  /** Of the weights that `train.lora` freezes. */
  readonly frozenDigest?: string;
}

/** Where the parameters come from. */
export interface LoraSources {
  /** Of the base model, also in a resumed run: its checkpoints hold only what trains. */
  readonly initializer: Initializer;
  readonly snapshot?: FoundSnapshot;
  readonly random: RandomStream;
  /** Called with each parameter before the next one is made. */
  readonly place: (name: string, value: tf.Tensor) => Promise<void>;
}

/**
 * The base model's parameters and the pairs: those of the snapshot, of the adapter that the run begins with, or new ones.
 * Throws CheckpointError if the base model is not the one that the snapshot was trained with.
 */
export async function loraParameters(
  model: LoraModel,
  { initializer, snapshot, random, place }: LoraSources,
): Promise<Required<ReadParameters>> {
  const { base, settings, complete } = model;
  const digest = new FrozenDigest();
  const found: Record<string, tf.Tensor> = {
    ...(await fillParameters(base, initializer, random, async (name, value) => {
      if (!complete.has(name)) await digest.add(name, value);
      await place(name, value);
    })),
  };
  try {
    if (snapshot) {
      checkFrozen(snapshot, digest.value);
      for (const [name, value] of Object.entries(await readParameters(snapshot.folder, model, place)))
        replace(found, name, value);
    } else {
      const pairs = settings.from === undefined ? newPairs(model, random) : savedPairs(model, settings.from);
      for await (const [name, value] of pairs) {
        replace(found, name, value);
        await place(name, value);
      }
    }
    const parameters = Object.fromEntries(model.parameters.map(({ name }) => [name, found[name]]));
    return { parameters, frozenDigest: digest.value };
  } catch (error) {
    tf.dispose(found);
    throw error;
  }
}

function replace(found: Record<string, tf.Tensor>, name: string, value: tf.Tensor): void {
  (found[name] as tf.Tensor | undefined)?.dispose();
  found[name] = value;
}

function checkFrozen({ folder, state }: FoundSnapshot, now: string): void {
  const { frozenDigest = now } = state;
  if (frozenDigest === now) return;
  throw new CheckpointError(
    `${folder} holds an adapter of other weights than the initializer gives: their digest is ${now}, and was ${frozenDigest} when the run began.`,
    {
      code: 'lora.base-changed',
      exitCode: 2,
      hint: 'Put the checkpoint that the initializer reads back as it was, or start a new run.',
    },
  );
}
