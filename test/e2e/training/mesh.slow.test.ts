import type { Outcome } from '../support/graft';
import { describeMesh, type Settings } from '../support/mesh-runs';
import { meshCases, narrowMeshCases, worst, type MeshCase } from './mesh-cases';

const HELD_OUT =
  'evaluators=[{ use: loss, every: 2, batches: 1, batchSize: 8, dataset: { use: jsonl, files: pairs.jsonl, source: question, target: answer, tokenizer: bytes } }]';
const options = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const AXES = { data: 2, fsdp: 2, model: 2 };

const evaluated = ({ stderr }: Outcome): string[] => stderr.match(/loss at step \d+: loss [\d.]{5}/g) ?? [];

describeMesh('a run over other combinations of the axes', (runs) => {
  const tensor: MeshCase = ['tensor-4x2', { mesh: { data: 4, model: 2 } }, 2];
  meshCases(runs, [tensor]);
  narrowMeshCases(runs, [tensor, ['fully-sharded', { mesh: { data: 8 }, sharding: 'fully-sharded' }, 8]]);
});

describeMesh('what a run does on a mesh of 2 x 2 x 2 devices', ({ trained }) => {
  test.each<[string, Settings, string[], number]>([
    ['micro-batches', { microBatches: 2 }, [], 0],
    ['dropout', {}, options('model.dropout=0.1', 'model.attentionDropout=0.1'), 0],
    [
      'rematerialized blocks and a loss in chunks',
      {},
      options('model.rematerialize=block', 'objective.chunkTokens=16'),
      0,
    ],
    ['a moving average, and evaluations of it', { averageDecay: 0.5 }, options(HELD_OUT), 2],
    ['a step that skips what is not finite', { nonFinite: 'skip' }, [], 0],
    ['groups of parameters', { crossAttentionWarmupSteps: 2 }, [], 0],
    ['adafactor, whose state is smaller', {}, options('optimizer={ use: adafactor, learningRate: 0.01 }'), 0],
  ])('%s: the losses are those of one device', async (_, settings, more, evaluations) => {
    const one = await trained('one', settings, ...more);
    const all = await trained('all', { ...settings, mesh: AXES }, ...more);
    expect(all.losses).toHaveLength(4);
    expect(worst(all.losses, one.losses)).toBeLessThan(1e-5);
    expect(evaluated(all.outcome)).toHaveLength(evaluations);
    expect(evaluated(all.outcome)).toEqual(evaluated(one.outcome));
  });

  test('a run continues on another mesh, on one device, and from there on a mesh', async () => {
    const whole = await trained('whole', {});
    await trained('moving', { mesh: AXES, steps: 1 });
    await trained('moving', { mesh: { model: 8 }, steps: 2 }, '--resume');
    await trained('moving', { steps: 3 }, '--resume');
    const { losses } = await trained('moving', { mesh: { data: 8 }, sharding: 'fully-sharded' }, '--resume');
    expect(worst(losses, whole.losses)).toBeLessThan(1e-5);
  });
});
