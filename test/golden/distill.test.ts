import { loadConfig, runExperiment } from '@graft/core';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, SHARED, temporaryFolder } from '../support';
import { PJRT_MODES } from './reference';

interface Expected {
  results: Record<
    string,
    { kl_teacher_student: number; ce: number; alpha: number; mixed: number; mixed_grad_global_norm: number }
  >;
}

interface Metrics {
  loss: number;
  crossEntropy: number;
  divergence: number;
  gradNorm: number;
  targetTokens: number;
}

describeIf(SHARED !== undefined, 'the reference numbers are not beside the repository', 'distillation', () => {
  const fixtures = join(SHARED ?? '', 'fixtures');

  test.each([
    ['gemma2-tiny', 'xla'],
    ['gemma2-tiny', 'graph'],
    ['gemma2-tiny-wide', 'eager'],
    ['gemma2-tiny-wide', 'portable'],
    ...PJRT_MODES.map((mode) => ['gemma2-tiny', mode] as const),
  ] as const)('the teacher %s gives the published losses and gradient norm on %s', async (teacher, mode) => {
    const { results } = JSON.parse(readFileSync(join(fixtures, 'distill', 'expected.json'), 'utf8')) as Expected;
    const expected = results[teacher];
    const value = {
      name: 'distill',
      engine: mode,
      model: { encoderWindow: 'inclusive' },
      initializer: { use: 'load', path: join(fixtures, 't5gemma-tiny-balanced') },
      objective: {
        use: 'prefix-lm',
        distillation: { teacher: join(fixtures, teacher), alpha: expected.alpha, temperature: 1 },
      },
      dataset: { use: 'tensors', file: join(fixtures, 'distill', 'expected.safetensors') },
      optimizer: { use: 'adamw', learningRate: 0.001 },
      train: { steps: 1 },
      runs: 'runs',
    };
    const loaded = await loadConfig({
      value,
      plugins: [gemma, objectives, optimizers, text],
      workingFolder: temporaryFolder(),
    });
    const { folder } = await runExperiment(loaded, { quiet: true });
    const metrics = JSON.parse(readFileSync(join(folder, 'metrics.jsonl'), 'utf8').split('\n')[0]) as Metrics;
    expect(metrics.targetTokens).toBe(21);
    expect(Math.abs(metrics.crossEntropy - expected.ce)).toBeLessThan(1e-5);
    expect(Math.abs(metrics.divergence - expected.kl_teacher_student)).toBeLessThan(1e-5);
    expect(Math.abs(metrics.loss - expected.mixed)).toBeLessThan(1e-5);
    expect(Math.abs(metrics.gradNorm / expected.mixed_grad_global_norm - 1)).toBeLessThan(1e-4);
  });
});
