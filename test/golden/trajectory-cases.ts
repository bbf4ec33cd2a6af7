/** The published trajectory: shared by the tests of every run and the slow ones. */
import { CheckpointReader, readHostTensors } from '@graft/checkpoint';
import { loadConfig, runExperiment } from '@graft/core';
import type { EngineMode } from '@graft/engine';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { fixture, readJson } from './reference';

interface Expected {
  loss: number[];
  grad_norm_before_clip: number[];
  param_l2_after: Record<string, number>;
}

interface Metrics {
  step: number;
  loss: number;
  gradNorm: number;
  learningRate: number;
  tokensPerSecond: number;
}

const CONFIG = `
name: trajectory
model: { encoderWindow: inclusive }
initializer: { use: load, path: ${fixture('t5gemma-tiny-balanced')} }
objective: { use: seq2seq }
dataset: { use: tensors, file: ${fixture('train-trajectory')}/batches.safetensors }
optimizer: { use: adamw, learningRate: 0.001, betas: [0.9, 0.95], epsilon: 1.0e-4, weightDecay: 0, clipNorm: 1.0 }
train: { steps: 10, precision: float32 }
runs: runs
`;

/** What spares memory and changes no number. */
export const SPARING: readonly string[] = [
  'objective.chunkTokens=10',
  'model.rematerialize=block',
  'train.microBatches=3',
];

/** Tests that ten steps of AdamW have the published numbers, on each of these engines with these overrides of the config. */
export function trajectoryCases(cases: readonly (readonly [EngineMode, readonly string[]])[]): void {
  test.each(cases)(
    'losses, gradient norms and final parameters are the published ones on %s with %j',
    async (mode, options) => {
      const base = temporaryFolder();
      writeFileSync(join(base, 'trajectory.yaml'), CONFIG);
      const loaded = await loadConfig({
        file: join(base, 'trajectory.yaml'),
        overrides: [`engine=${mode}`, ...options],
        plugins: [gemma, objectives, optimizers, text],
      });
      const { folder } = await runExperiment(loaded);
      const expected = readJson<Expected>(fixture('train-trajectory')!, 'expected.json');
      const metrics = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Metrics);
      expect(metrics.map(({ step }) => step)).toEqual(expected.loss.map((_, i) => i + 1));
      metrics.forEach(({ loss, gradNorm, learningRate }, i) => {
        expect(Math.abs(loss - expected.loss[i])).toBeLessThanOrEqual(1e-4);
        expect(Math.abs(gradNorm / expected.grad_norm_before_clip[i] - 1)).toBeLessThanOrEqual(1e-4);
        expect(learningRate).toBeCloseTo(1e-3, 9);
      });
      const reader = await CheckpointReader.open(join(folder, 'checkpoints', 'step-10'));
      try {
        for (const [name, length] of Object.entries(expected.param_l2_after)) {
          const squares = (await reader.readFloat32(name)).reduce((sum, value) => sum + value * value, 0);
          if (!(Math.abs(Math.sqrt(squares) / length - 1) <= 1e-4))
            throw new Error(`${name} has L2 norm ${Math.sqrt(squares)}, expected ${length}.`);
        }
        const sample = await readHostTensors(join(fixture('train-trajectory')!, 'final_params_sample.safetensors'));
        for (const [name, { values }] of Object.entries(sample)) {
          const got = await reader.readFloat32(name);
          const worst = Array.from(values).reduce(
            (largest, value, i) => Math.max(largest, Math.abs(value - got[i])),
            0,
          );
          if (!(worst <= 1e-5)) throw new Error(`${name} is off by ${worst} after ten steps.`);
        }
      } finally {
        await reader.close();
      }
    },
  );
}
