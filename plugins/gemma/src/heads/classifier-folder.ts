/** Classifiers as Hugging Face folders, as the published implementation writes and reads them. */
import { CheckpointReader, writeCheckpoint } from '@graft/checkpoint';
import {
  checkTensors,
  CheckpointError,
  GraftError,
  HEAD_WEIGHT,
  streamParameters,
  type LoadedClassifier as LoadedAny,
  type Parameters,
} from '@graft/core';
import { tf } from '@graft/engine';
import { GemmaClassifier, type ClassifierConfig, type ClassifierTask } from './classifier';
import { FAMILIES, familyOf, familyOfType } from '../families';
import { encoderOf, readModelConfig, toCheckpointConfig, withIdleDecoder } from '../model/config';
import type { EncoderDecoderConfig, GemmaOptions } from '../model/config-types';

type Json = Readonly<Record<string, unknown>>;

const TASKS: readonly ClassifierTask[] = ['sequence', 'token'];

/** The config.json of a classifier. Throws GraftError if none is published for its family and side. */
export function toClassifierConfig({ model, task, reads, labels }: ClassifierConfig): Record<string, unknown> {
  const { classifier: format, title } = familyOf(model);
  if (!format || (reads === 'encoder' && !format.ofEncoder)) {
    throw new GraftError(`There is no published format for a classifier of the ${reads} of a ${title}.`, {
      code: 'gemma.classifier-format',
      hint: format ? 'Let its head read the decoder, or write the encoder alone and the head by itself.' : undefined,
    });
  }
  return {
    ...toCheckpointConfig(reads === 'encoder' ? encoderOf(model) : model),
    architectures: [format.architectures[task]],
    is_encoder_decoder: reads === 'decoder',
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
  const names: readonly unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  const own = familyOfType(json.model_type);
  const families = own?.classifier ? [own] : FAMILIES;
  const formats = families.flatMap(({ classifier }) => (classifier ? [classifier.architectures] : []));
  const task = TASKS.find((name) => formats.some((architectures) => names.includes(architectures[name])));
  if (!task) {
    throw fail(
      `"architectures" should hold ${formats.flatMap((all) => Object.values(all)).join(' or ')}, but is ${JSON.stringify(json.architectures)}`,
    );
  }
  const config = readModelConfig(json, options, where);
  if (config.kind === 'decoder-only') throw fail("a classifier is made of an encoder-decoder, or of one's encoder");
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
    throw fail(`"id2label" names ${Object.keys(named).length} classes, but "${HEAD_WEIGHT}" has ${classes}`);
  return { model, task, reads, labels: labels.map(String) };
}

/** The last token of a text is found with the whole model's pad token, which is by default the decoder's. */
function withPad(
  model: EncoderDecoderConfig,
  given: unknown,
  reads: ClassifierConfig['reads'],
  fail: (what: string) => CheckpointError,
): EncoderDecoderConfig {
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
  const head = reader.tensors.get(HEAD_WEIGHT);
  if (!head) {
    throw new CheckpointError(`${folder} holds no classifier: "${HEAD_WEIGHT}" is missing.`, {
      code: 'gemma.no-classifier',
      exitCode: 2,
      hint: 'A language model has no classes; fine-tune a T5GemmaForSequenceClassification or …TokenClassification first.',
    });
  }
  if (head.shape.length !== 2 || !(head.shape[0] >= 1 && head.shape[0] <= MOST_CLASSES)) {
    throw new CheckpointError(
      `${folder}: "${HEAD_WEIGHT}" has shape [${head.shape.join(', ')}]; expected [classes, width], with 1 to ${MOST_CLASSES} classes.`,
      { code: 'checkpoint.mismatch' },
    );
  }
  return new GemmaClassifier(
    parseClassifierConfig(await reader.config(), head.shape[0], options, `${folder}/config.json`),
  );
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
