import { CheckpointReader } from '@graft/checkpoint';
import { tf } from '@graft/engine';
import { join } from 'node:path';
import type { Registry } from '../../components/registry';
import type { SpecialTokensSection } from '../../config/schema';
import { buildModel, mergeSpecialTokens, readSpecialTokens } from '../../data/special-tokens';
import type { Classifier, ComponentFactory, Model, ModelFamily, Parameters } from '../../interfaces';
import { withAdapter } from '../../training/lora/adapter';
import { readGenerationConfig } from '../generate/generation-defaults';
import { checkTensors, streamParameters, type WeightPrecision } from './checkpoint-tensors';
import { findFamily, type FoundFamily } from './find-family';
import { refuseCommand } from './refuse-command';

/** Where `loadCheckpoint` finds the family, and what overrides the checkpoint. */
export interface LoadCheckpointOptions {
  /** Contains the plugins among which the family is searched. */
  readonly registry: Registry;
  /** Creates components of that registry. */
  readonly components: ComponentFactory;
  /** Options of the family that override the checkpoint, as in a config's `model:` section. */
  readonly model?: Readonly<Record<string, unknown>>;
  /** The same as a config's `specialTokens`. */
  readonly specialTokens?: SpecialTokensSection;
  /** Default float32. */
  readonly weights?: WeightPrecision;
  /** Folder of an adapter in PEFT's layout that is merged into the parameters. Default: none. */
  readonly adapter?: string;
  /** Throws if the model does not meet the caller's requirements; called before any parameter is read. */
  readonly check?: (model: Model, found: FoundFamily) => void;
}

/** A model with its parameters, which the caller frees with `dispose`. */
export interface LoadedModel<M extends Model = Model> {
  readonly model: M;
  readonly parameters: Parameters;
  /** Tensors of the checkpoint that the model does not use. */
  readonly unknownTensors: readonly string[];
  /** Frees the parameters. */
  dispose(): void;
}

/**
 * Loads a checkpoint folder of any family: finds the family by config.json's `model_type`, builds the model with the
 * folder's special tokens and generation settings, checks the parameters' names and shapes, and streams the parameters.
 * Throws CheckpointError naming the mismatch. The caller disposes the result.
 */
export async function loadCheckpoint(
  folder: string,
  { registry, components, model: options, specialTokens, weights, adapter, check }: LoadCheckpointOptions,
): Promise<LoadedModel & { readonly found: FoundFamily }> {
  return withReader(folder, async (reader) => {
    const config = await reader.config();
    const found = await findFamily(registry, components, config, join(folder, 'config.json'), options);
    const model = await modelOfFolder(found.family, reader, specialTokens);
    check?.(model, found);
    const unknownTensors = await checkTensors(model, reader);
    return {
      found,
      model,
      unknownTensors,
      ...(await collect(withAdapter(adapter, model, streamParameters(model, reader, weights)))),
    };
  });
}

/** The model that a family builds for a folder, without parameters. */
export async function modelOfFolder(
  family: ModelFamily,
  reader: CheckpointReader,
  section: SpecialTokensSection = {},
): Promise<Model> {
  const config = await reader.config();
  const model = buildModel(family, config, { section, folder: reader.path });
  if (model.kind === 'encoder-only') return model;
  const generation = await readGenerationConfig(reader, model.specialTokens);
  if (!generation) return model;
  const { json, where } = generation;
  return buildModel(family, config, {
    section,
    folder: reader.path,
    generationConfig: json,
    generationFrom: where,
  });
}

/** A classifier with its parameters, which the caller frees with `dispose`. */
export interface LoadedClassifier {
  readonly classifier: Classifier;
  readonly parameters: Parameters;
  /** Tensors of the checkpoint that the classifier does not use. */
  readonly unknownTensors: readonly string[];
  /** Frees the parameters. */
  dispose(): void;
}

/**
 * Loads a classifier's folder, of any family that reads classifiers. Throws CheckpointError naming what is missing or
 * does not match, and UsageError, which names `command`, if the family does not read classifiers.
 */
export async function loadClassifierCheckpoint(
  folder: string,
  command: string,
  { registry, components, model: options, specialTokens }: Omit<LoadCheckpointOptions, 'weights' | 'adapter' | 'check'>,
): Promise<LoadedClassifier> {
  return withReader(folder, async (reader) => {
    const config = await reader.config();
    const where = join(folder, 'config.json');
    const found = await findFamily(registry, components, config, where, options);
    if (!found.family.classifier) throw refuseCommand(found, command, 'reads no classifiers');
    const policy = mergeSpecialTokens(specialTokens, readSpecialTokens(config, where));
    const classifier = await found.family.classifier(reader, { specialTokens: policy, folder });
    const unknownTensors = await checkTensors(classifier, reader, 'this classifier');
    return { classifier, unknownTensors, ...(await collect(streamParameters(classifier, reader))) };
  });
}

async function withReader<T>(folder: string, use: (reader: CheckpointReader) => Promise<T>): Promise<T> {
  const reader = await CheckpointReader.open(folder);
  try {
    return await use(reader);
  } finally {
    await reader.close();
  }
}

/** Collects the whole stream; if it fails, frees the tensors received so far. */
async function collect(
  stream: AsyncIterable<readonly [string, tf.Tensor]>,
): Promise<{ readonly parameters: Parameters; dispose(): void }> {
  const parameters: Record<string, tf.Tensor> = {};
  const dispose = (): void => tf.dispose(parameters);
  try {
    for await (const [name, value] of stream) parameters[name] = value;
  } catch (error) {
    dispose();
    throw error;
  }
  return { parameters, dispose };
}
