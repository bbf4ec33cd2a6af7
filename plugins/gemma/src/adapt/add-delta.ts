import {
  CheckpointError,
  CheckpointReader,
  configDtypeName,
  fromFloat64,
  isFloatDtype,
  parseFloatDtype,
  readRecord,
  readTokenizerFiles,
  recordFile,
  type CheckpointRecord,
  type StoredDtype,
} from '@graft/checkpoint';
import { numbersOf } from '@graft/checkpoint/internal';
import { checkTensors, ConfigError } from '@graft/core';
import { isObject } from '@graft/core/internal';
import { resolve } from 'node:path';
import { storedName } from '../load/declared-tensors';
import { readModelConfig, toCheckpointConfig } from '../model/config';
import type { EncoderDecoderConfig } from '../model/config-types';
import { gemmaOf } from '../model/encoder-model';
import { parameterSpecs } from '../model/parameters';
import type { AdaptRequest } from './adapt-checkpoint';
import type { Side } from './name-mapping';
import { RANDOM_PARTS } from './parts';
import { checkPlan, decideAdaptation, planAdaptation, type AdaptChoices, type AdaptStep } from './plan';
import { AdaptSources } from './sources';
import { commonDtype, converted, writeStreamed } from './stream-checkpoint';

/**
 * Whose difference is added to which model. `encoder` and `decoder` are the decoder-only checkpoints that the model was
 * adapted from; cross-attention and random parts are the choices of that adaptation (default: what the model's graft.json
 * says, otherwise those of an adaptation without choices).
 */
export interface AddDeltaRequest extends Omit<AdaptRequest, 'expandHeads' | 'seed' | 'std'> {
  /** Folder of the encoder-decoder. */
  to: string;
  /** The fine-tuned `encoder`, and `decoder` where that is the same. Default: nothing is added to the encoder. */
  delta?: string;
  /** The fine-tuned `decoder`. Default: `delta` if both sides have one source, otherwise nothing is added. */
  decoderDelta?: string;
  /** Factor of the difference. Default 1. */
  scale?: number;
}

/** What was written. */
export interface AddDeltaReport {
  readonly out: string;
  readonly tensors: number;
  /** Tensors to which a difference was added. */
  readonly changed: number;
  /** As config.json spells it. */
  readonly dtype: string;
}

/**
 * Writes an adapted encoder-decoder to which the difference between a fine-tuned decoder-only checkpoint and its base has
 * been added, tensor by tensor, where the name mapping took a tensor from the base: W + scale (tuned - base). What the
 * adaptation drew at random, by the model's graft.json, stays as it is. Streams, computes in float64 and rounds once.
 * Throws CheckpointError if the checkpoints do not fit the model.
 */
export async function addDelta(request: AddDeltaRequest): Promise<AddDeltaReport> {
  const { encoder, decoder = encoder, out, delta, scale = 1 } = request;
  const hasOneSource = resolve(decoder) === resolve(encoder);
  const decoderDelta = request.decoderDelta ?? (hasOneSource ? delta : undefined);
  const base = await AdaptSources.open(encoder, decoder);
  const opened: { close(): Promise<void> }[] = [base];
  try {
    const tuned = await AdaptSources.open(delta ?? encoder, decoderDelta ?? decoder);
    opened.push(tuned);
    const reader = await CheckpointReader.open(request.to);
    opened.push(reader);
    const config = await encoderDecoder(reader);
    const model = gemmaOf(config);
    await checkTensors(model, reader);
    const record = await readRecord(reader.path);
    const choices = choicesOf(record, request);
    const sides: Readonly<Record<Side, string | undefined>> = { encoder: delta, decoder: decoderDelta };
    const decided = decideAdaptation(config, choices, {});
    const { names } = base;
    // The embedding of one token alone stays as it is: the difference to its row is not a difference to it.
    const plan = planAdaptation(parameterSpecs(config), decided, choices.random, { config, names }).map(
      ({ spec, from, row }): AdaptStep => (from && !row && sides[from.side] !== undefined ? { spec, from } : { spec }),
    );
    checkPlan(plan, base);
    checkPlan(plan, tuned);
    const stored = commonDtype([reader]);
    const dtype = request.dtype === undefined ? stored : parseFloatDtype(request.dtype);
    const tensors = plan.map(({ spec, from }) => {
      const name = storedName(spec.name, reader, config);
      const data = (): AsyncGenerator<Uint8Array> | ReturnType<typeof converted> =>
        from ? sumOf({ reader, name }, from, { base, tuned, scale, dtype }) : converted(reader, name, dtype);
      return { name, dtype, shape: spec.shape, data };
    });
    const added = {
      to: resolve(request.to),
      base: { encoder: resolve(encoder), decoder: resolve(decoder) },
      tuned: Object.fromEntries(Object.entries(sides).map(([side, path]) => [side, path && resolve(path)])),
      scale,
      choices,
    };
    await writeStreamed(request, {
      verb: 'Adapting',
      interruptedCode: 'gemma.adapt-interrupted',
      config: dtype === stored ? await reader.config() : toCheckpointConfig(config, configDtypeName(dtype)),
      generationConfig: await reader.generationConfig(),
      tensors,
      extraFiles: { ...(await readTokenizerFiles(reader.path)), ...recordFile({ ...record, added }) },
      plan: { ...added, dtype: configDtypeName(dtype) },
      sources: [reader, ...base.readers, ...tuned.readers],
    });
    const changed = plan.filter(({ from }) => from).length;
    return { out, tensors: plan.length, changed, dtype: configDtypeName(dtype) };
  } finally {
    for (const one of opened) await one.close();
  }
}

async function encoderDecoder(reader: CheckpointReader): Promise<EncoderDecoderConfig> {
  const config = readModelConfig(await reader.config(), {}, `${reader.path}/config.json`);
  if (config.kind === 'encoder-decoder') return config;
  throw new CheckpointError(`${reader.path} holds no encoder-decoder, to which a difference could be added.`, {
    code: 'gemma.delta-kind',
    exitCode: 2,
    hint: 'Name a model that `graft adapt` has made, or a checkpoint of its training; decoder-only ones are merged by `graft average --base`.',
  });
}

/** How the model was adapted: what was drawn at random has no base. */
function choicesOf({ adapted }: CheckpointRecord, given: AdaptChoices): AdaptChoices {
  const recorded = isObject(adapted) ? adapted : {};
  const cross = isObject(recorded.crossAttention) ? recorded.crossAttention : {};
  const parts = Array.isArray(recorded.random) ? (recorded.random as readonly unknown[]) : [];
  const wanted = given.crossAttention === 'auto' ? undefined : given.crossAttention;
  return {
    random: given.random ?? RANDOM_PARTS.filter((part) => parts.includes(part)),
    crossAttention: wanted ?? (cross.is === 'random' ? 'random' : 'auto'),
    crossAttentionNorms: given.crossAttentionNorms ?? (cross.norms === 'identity' ? 'identity' : undefined),
  };
}

/** A tensor of the model plus the scaled difference of the tensor that it came from. */
async function* sumOf(
  tensor: { readonly reader: CheckpointReader; readonly name: string },
  { side, name }: NonNullable<AdaptStep['from']>,
  {
    base,
    tuned,
    scale,
    dtype,
  }: { readonly base: AdaptSources; readonly tuned: AdaptSources; readonly scale: number; readonly dtype: StoredDtype },
): AsyncGenerator<Uint8Array> {
  const of = (sources: AdaptSources): typeof tensor => ({ reader: sources[side], name: sources.stored(side, name) });
  const all = [tensor, of(base), of(tuned)];
  const odd = all.find((one) => !isFloatDtype(one.reader.info(one.name).dtype));
  if (odd)
    throw new ConfigError(`"${odd.name}" of ${odd.reader.path} holds no floating-point numbers.`, {
      code: 'checkpoint.dtype',
    });
  yield* numbersOf(all, ([own, from, to]) => {
    for (let i = 0; i < own.length; i++) own[i] += scale * (to[i] - from[i]);
    return fromFloat64(own, dtype);
  });
}
