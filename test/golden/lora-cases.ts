/** Low-rank adaptation against PEFT: shared by the committed fixtures and the tests that run PEFT itself. */
import {
  adapterParameter,
  adapterTensors,
  AdapterReader,
  readHostTensors,
  writeHostTensors,
  type HostTensor,
} from '@graft/checkpoint';
import {
  Adapter,
  loadConfig,
  LoraModel,
  runExperiment,
  type HostArray,
  type HostFields,
  type LoraSettings,
  type Model,
  type Parameters,
} from '@graft/core';
import { openEngine, type EngineMode, type tf } from '@graft/engine';
import { loadModel, plugin as gemma, runForward } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { largestDifference, largestMagnitude } from './reference';

/**
 * Shares of the largest value; for parameters after three steps the difference itself, as after those of the published
 * trajectory (trajectory-cases.ts).
 */
export const LORA_TOLERANCE = { logits: 1e-5, gradients: 1e-4, losses: 1e-5, afterThreeSteps: 1e-5 } as const;

/** What `test/peers/lora.py` has written, and from what. */
export interface LoraFixture {
  /** Folder of the base model. */
  readonly model: string;
  /** Folder with `adapter` and `expected.safetensors`. */
  readonly folder: string;
  /** As the script had them. */
  readonly inputs: HostFields;
  readonly settings: Omit<Partial<LoraSettings>, 'from'> & Pick<LoraSettings, 'rank'>;
  readonly encoderWindow?: 'inclusive';
}

/** Parameters of a model, with those of an adapter beside them. */
async function withPairs(model: LoraModel, parameters: Parameters, folder: string): Promise<Record<string, tf.Tensor>> {
  const all: Record<string, tf.Tensor> = { ...parameters };
  const adapter = await Adapter.open(folder, model.base);
  try {
    for (const [weight, names] of model.pairs) {
      const { a, b } = (await adapter.pair(weight))!;
      Object.assign(all, { [names.a]: a, [names.b]: b });
    }
    for (const [name, info] of adapter.complete) all[name] = await adapter.read(info);
    return all;
  } finally {
    await adapter.close();
  }
}

/** The names in PEFT's files of what trains, by the names of parameters. */
function storedNames(model: LoraModel): Map<string, string> {
  const { base } = model;
  const published = (name: string): string => base.publishedNames?.(name)[0] ?? name;
  const names = new Map([...model.complete].map((name) => [name, adapterParameter(published(name))]));
  for (const [weight, pair] of model.pairs) {
    const stored = adapterTensors(published(weight).replace(/\.weight$/, ''));
    names.set(pair.a, stored.a);
    names.set(pair.b, stored.b);
  }
  return names;
}

const maskOf = (model: Model, inputs: HostFields): HostArray =>
  inputs[model.kind === 'encoder-decoder' ? 'decoder_attention_mask' : 'attention_mask'];

/** The logits of pairs and of merged matrices, the loss, and the gradients of everything that trains. */
export async function checkForward(given: LoraFixture, mode: EngineMode): Promise<void> {
  const engine = await openEngine({ mode });
  const expected = await readHostTensors(join(given.folder, 'expected.safetensors'));
  const loaded = await loadModel(given.model, { encoderWindow: given.encoderWindow });
  const model = new LoraModel(loaded.model, settingsOf(given));
  const all = await withPairs(model, loaded.parameters, join(given.folder, 'adapter'));
  try {
    const { inputs } = given;
    const got = await runForward({ engine, model, parameters: all, inputs, outputs: ['loss', 'gradients'] });
    const mask = maskOf(model, inputs);
    const share = (of: HostArray): number =>
      largestDifference(of, expected.logits, mask) / largestMagnitude(expected.logits);
    expect(share(got.logits)).toBeLessThanOrEqual(LORA_TOLERANCE.logits);
    const merged = model.merged(all);
    const whole = await runForward({ engine, model: model.base, parameters: merged, inputs });
    for (const name of model.pairs.keys()) merged[name].dispose();
    expect(share(whole.logits)).toBeLessThanOrEqual(LORA_TOLERANCE.logits);
    expect(Math.abs(got.loss.values[0] / expected.losses.values[0] - 1)).toBeLessThanOrEqual(LORA_TOLERANCE.losses);
    const worst = [...storedNames(model)].map(([name, stored]) => {
      const gradient = expected[`grad.${stored}`];
      return largestDifference(got[`grad.${name}`], gradient) / largestMagnitude(gradient);
    });
    expect(Math.max(...worst)).toBeLessThanOrEqual(LORA_TOLERANCE.gradients);
  } finally {
    for (const [name, tensor] of Object.entries(all)) if (tensor !== loaded.parameters[name]) tensor.dispose();
    loaded.dispose();
  }
}

/** Three steps of AdamW from PEFT's pairs, as a run: its losses and its adapter. */
export async function checkSteps(given: LoraFixture, mode: EngineMode, scratch: string): Promise<void> {
  const { inputs, settings, model, folder, encoderWindow } = given;
  const batches = [0, 1, 2].flatMap((step) =>
    Object.entries(inputs).map(([name, value]): [string, HostTensor] => [`${name}.${step}`, value as HostTensor]),
  );
  await writeHostTensors(join(scratch, 'batches.safetensors'), Object.fromEntries(batches));
  const isPair = 'decoder_input_ids' in inputs;
  const config = {
    name: 'lora',
    engine: mode,
    model: { ...(encoderWindow && { encoderWindow }) },
    initializer: { use: 'load', path: model },
    objective: { use: isPair ? 'seq2seq' : 'causal-lm' },
    dataset: { use: 'tensors', file: join(scratch, 'batches.safetensors') },
    optimizer: {
      use: 'adamw',
      learningRate: 0.001,
      betas: [0.9, 0.95],
      epsilon: 1e-3,
      weightDecay: 0.1,
      decayVectors: true,
    },
    train: { steps: 3, lora: { ...settings, from: join(folder, 'adapter') } },
    runs: 'runs',
  };
  const file = join(scratch, 'run.json');
  writeFileSync(file, JSON.stringify(config));
  const losses: number[] = [];
  const run = await runExperiment(await loadConfig({ file, plugins: [gemma, objectives, optimizers, text] }), {
    onStep: (_step, { loss }) => losses.push(loss),
  });
  const expected = await readHostTensors(join(folder, 'expected.safetensors'));
  const off = losses.map((loss, i) => Math.abs(loss / expected.losses.values[i] - 1));
  expect(Math.max(...off)).toBeLessThanOrEqual(LORA_TOLERANCE.losses);
  const checkpoint = join(run.folder, 'checkpoints', 'step-3');
  const after = await readHostTensors(join(checkpoint, 'adapter_model.safetensors'));
  const wanted = Object.entries(expected).filter(([name]) => name.startsWith('after.'));
  expect(Object.keys(after).sort()).toEqual(wanted.map(([name]) => name.slice('after.'.length)).sort());
  const worst = wanted.map(([name, value]) => largestDifference(after[name.slice('after.'.length)], value));
  expect(Math.max(...worst)).toBeLessThanOrEqual(LORA_TOLERANCE.afterThreeSteps);
  const reader = await AdapterReader.open(checkpoint);
  const first = await AdapterReader.open(join(folder, 'adapter'));
  expect(reader.config).toMatchObject({
    rank: first.config.rank,
    alpha: first.config.alpha,
    rslora: first.config.rslora,
  });
  await reader.close();
  await first.close();
}

const settingsOf = ({ settings }: LoraFixture): LoraSettings => ({
  targets: 'all-linear',
  dropout: 0,
  rslora: false,
  init: 'kaiming',
  save: 'adapter',
  ...settings,
});
