/** Classifiers as Hugging Face folders, as the published implementation writes and reads them. */
import { CheckpointReader, writeCheckpoint } from '@graft/checkpoint';
import {
  checkTensors,
  CheckpointError,
  GraftError,
  streamParameters,
  type LoadedClassifier as LoadedAny,
  type Parameters,
} from '@graft/core';
import { tf } from '@graft/engine';
import { formatOf, formatOfType, GemmaClassifier, type ClassifierConfig, type ClassifierTask } from './classifier';
import { familyOf } from '../families';
import type { ClassifierFormat } from '../families/family';
import { encoderOf, readModelConfig, toCheckpointConfig, withIdleDecoder } from '../model/config';
import type { GemmaConfig, GemmaOptions } from '../model/config-types';

type Json = Readonly<Record<string, unknown>>;

const TASKS: readonly ClassifierTask[] = ['sequence', 'token'];

/** The config.json of a classifier. Throws GraftError if none is published for its family, side and task. */
export function toClassifierConfig({ model, task, reads, labels }: ClassifierConfig): Record<string, unknown> {
  const { classifier: format, title } = familyOf(model);
  const hasEncoder = model.kind === 'encoder-decoder';
  if (!format || (reads === 'encoder' && !(format.ofEncoder && hasEncoder))) {
    throw new GraftError(`There is no published format for a classifier of the ${reads} of a ${title}.`, {
      code: 'gemma.classifier-format',
      hint: format ? 'Let its head read the decoder, or write the encoder alone and the head by itself.' : undefined,
    });
  }
  const architecture = format.architectures[task];
  if (architecture === undefined) {
    throw new GraftError(`Graft writes no ${task} classifier of a ${title}.`, {
      code: 'gemma.classifier-format',
      hint: `Classify whole texts (${format.architectures.sequence}), or take a T5Gemma, whose token classifiers it writes.`,
    });
  }
  return {
    ...toCheckpointConfig(reads === 'encoder' && hasEncoder ? encoderOf(model) : model),
    architectures: [architecture],
    is_encoder_decoder: reads === 'decoder' && hasEncoder,
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
  };
}

/** `classes`: rows of the stored head. Throws CheckpointError if config.json is not a classifier's. */
export function parseClassifierConfig(
  json: Json,
  classes: number,
  options: GemmaOptions = {},
  where = 'config.json',
): ClassifierConfig {
  const fail = (what: string): CheckpointError =>
    new CheckpointError(`${where}: ${what}.`, { code: 'gemma.classifier-config' });
  const config = readModelConfig(json, options, where);
  const { architectures, head } = formatOf(config);
  const task = taskOf(json, architectures);
  if (!task) {
    throw fail(
      `"architectures" should hold ${Object.values(architectures).join(' or ')}, but is ${JSON.stringify(json.architectures)}`,
    );
  }
  // The published implementation's default is the decoder.
  const reads = config.kind === 'encoder-only' ? 'encoder' : 'decoder';
  const model = withPad(
    config.kind === 'encoder-only' ? withIdleDecoder(config) : config,
    json.pad_token_id,
    reads,
    fail,
  );
  const byId = json.id2label;
  const named = typeof byId === 'object' && byId !== null ? (byId as Json) : {};
  const labels = Array.from({ length: classes }, (_, id) => named[String(id)] ?? `LABEL_${id}`);
  if (Object.keys(named).length > 0 && Object.keys(named).length !== classes)
    throw fail(`"id2label" names ${Object.keys(named).length} classes, but "${head.weight}" has ${classes}`);
  return { model, task, reads, labels: labels.map(String) };
}

/** What the class that config.json names classifies, if it is one of these. */
function taskOf(json: Json, architectures: ClassifierFormat['architectures']): ClassifierTask | undefined {
  const names: readonly unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  return TASKS.find((task) => architectures[task] !== undefined && names.includes(architectures[task]));
}

/** Whether a folder is a classifier that Graft opens: its config.json names the class, and the head is there. */
export function isClassifier(json: Json, { tensors }: Pick<CheckpointReader, 'tensors'>): boolean {
  const { architectures, head } = formatOfType(json.model_type);
  return taskOf(json, architectures) !== undefined && tensors.has(head.weight);
}

/**
 * The last token of a text is found with the whole model's pad token, which is by default the decoder's. A decoder-only
 * model has no other, and may have none.
 */
function withPad(
  model: GemmaConfig,
  given: unknown,
  reads: ClassifierConfig['reads'],
  fail: (what: string) => CheckpointError,
): GemmaConfig {
  if (model.kind === 'decoder-only') return model;
  const { decoder } = model;
  const pad = given === undefined ? decoder.padTokenId : given;
  if (typeof pad !== 'number' || !Number.isSafeInteger(pad) || pad < 0)
    throw fail(`"pad_token_id" is ${JSON.stringify(pad)}, but a classifier needs one to find the end of a text`);
  if (reads === 'encoder') return { ...model, decoder: { ...decoder, padTokenId: pad } };
  if (pad !== decoder.padTokenId)
    throw fail(`"pad_token_id" is ${pad}, but the decoder's is ${decoder.padTokenId}; Graft pads with one token`);
  return model;
}

/** Rows of a head; a file may contain any number. */
const MOST_CLASSES = 1_000_000;

/**
 * The classifier that a folder describes, without its parameters. Throws CheckpointError if it describes none.
 */
export async function classifierOf(reader: CheckpointReader, options: GemmaOptions = {}): Promise<GemmaClassifier> {
  const folder = reader.path;
  const json = await reader.config();
  const {
    architectures,
    head: { weight },
  } = formatOfType(json.model_type);
  const head = reader.tensors.get(weight);
  if (!head) {
    throw new CheckpointError(`${folder} holds no classifier: "${weight}" is missing.`, {
      code: 'gemma.no-classifier',
      exitCode: 2,
      hint: `A language model has no classes; fine-tune a ${Object.values(architectures).join(' or ')} first.`,
    });
  }
  if (head.shape.length !== 2 || !(head.shape[0] >= 1 && head.shape[0] <= MOST_CLASSES)) {
    throw new CheckpointError(
      `${folder}: "${weight}" has shape [${head.shape.join(', ')}]; expected [classes, width], with 1 to ${MOST_CLASSES} classes.`,
      { code: 'checkpoint.mismatch' },
    );
  }
  return new GemmaClassifier(parseClassifierConfig(json, head.shape[0], options, `${folder}/config.json`));
}

/** A classifier with its parameters, which the caller frees with `dispose`. */
export interface LoadedClassifier extends LoadedAny {
  readonly classifier: GemmaClassifier;
}

/** Loads a classifier's folder, widened to float32. Throws CheckpointError naming what is missing or does not fit. */
export async function loadClassifier(folder: string, options: GemmaOptions = {}): Promise<LoadedClassifier> {
  const reader = await CheckpointReader.open(folder);
  const parameters: Record<string, tf.Tensor> = {};
  const dispose = (): void => tf.dispose(parameters);
  try {
    const classifier = await classifierOf(reader, options);
    const unknownTensors = await checkTensors(classifier, reader, 'this classifier');
    for await (const [name, value] of streamParameters(classifier, reader)) parameters[name] = value;
    return { classifier, parameters, unknownTensors, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    await reader.close();
  }
}

/**
 * Writes a classifier, float32, as a folder that appears complete or not at all. `extraFiles`: a tokenizer's, by name.
 * Parameters that are not the classifier's are left out.
 */
export async function saveClassifier(
  folder: string,
  classifier: GemmaClassifier,
  parameters: Parameters,
  { extraFiles, overwrite }: { extraFiles?: Record<string, string | Uint8Array>; overwrite?: boolean } = {},
): Promise<void> {
  await writeCheckpoint(
    folder,
    {
      config: toClassifierConfig(classifier.config),
      tensors: classifier.parameters.map(({ name, shape }) => ({
        name,
        dtype: 'F32',
        shape,
        data: async () => (await parameters[name].data()) as Float32Array,
      })),
      extraFiles,
    },
    { overwrite },
  );
}
