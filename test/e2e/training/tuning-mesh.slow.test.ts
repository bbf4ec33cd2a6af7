/** Preference tuning and on-policy distillation over a mesh of devices, beside the same runs on one of them. */
import { worstDifference } from '../../support';
import { describeMesh, type Settings } from '../support/mesh-runs';

const options = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const worst = (a: readonly number[], b: readonly number[]): number =>
  worstDifference(Float32Array.from(a), Float32Array.from(b));

const PREFERENCES = options(
  'objective={ use: dpo, padToMultipleOf: 8 }',
  'dataset={ use: preferences, files: pairs.jsonl, prompt: question, chosen: answer, rejected: worse, tokenizer: bytes }',
);
const DECODER_ONLY = options('model.kind=decoder-only', 'model.encoder=null');
const LORA = { lora: { rank: 2, targets: ['*'] } };
const AXES = { data: 2, fsdp: 2, model: 2 };

describeMesh('tuning over a mesh of devices', ({ trained }) => {
  /** The losses of the same run on one device and on a mesh agree; returns those of the mesh. */
  const compare = async (settings: Settings, more: string[], mesh: Settings = { mesh: AXES }): Promise<number[]> => {
    const one = await trained('one', settings, ...more);
    const all = await trained('all', { ...settings, ...mesh }, ...more);
    expect(all.losses).toHaveLength(4);
    expect(worst(all.losses, one.losses)).toBeLessThan(1e-5);
    return [...all.losses];
  };

  describe('preferences', () => {
    test.each<[string, Settings, string[], Settings]>([
      ['rows are split', {}, [], { mesh: { data: 8 } }],
      ['parameters are split', {}, [], { mesh: { data: 8 }, sharding: 'fully-sharded' }],
      ['layers are split', {}, [], { mesh: { data: 4, model: 2 } }],
      ['micro-batches', { microBatches: 2 }, [], { mesh: { data: 2, model: 2 } }],
      ['dropout', {}, options('model.dropout=0.1'), { mesh: AXES }],
      [
        'rematerialized blocks and logits in chunks',
        {},
        options('model.rematerialize=block', 'objective.chunkTokens=16'),
        { mesh: AXES },
      ],
      ['no reference', {}, options('objective.reference=none', 'objective.perToken=true'), { mesh: AXES }],
      ['a decoder-only model', {}, DECODER_ONLY, { mesh: AXES }],
    ])('%s: the losses are those of one device', async (_, settings, more, mesh) => {
      const [first, ...others] = await compare(settings, [...PREFERENCES, ...more], mesh);
      if (!more.join().includes('reference=none') && !more.join().includes('dropout'))
        expect(first).toBeCloseTo(Math.LN2, 5);
      expect(others.at(-1)).not.toBeCloseTo(first, 3);
    });

    test('low-rank pairs, whose frozen weights are the reference', async () => {
      const losses = await compare({ ...LORA, microBatches: 2 }, PREFERENCES, { mesh: { data: 2, model: 2 } });
      expect(losses[0]).toBeCloseTo(Math.LN2, 5);
    });

    test('kept log-probabilities of the reference', async () => {
      const keep = (name: string): string[] => options(`objective.keepReference={ folder: ${name} }`);
      const one = await trained('one', {}, ...PREFERENCES, ...keep('of-one'));
      const all = await trained('all', { mesh: AXES }, ...PREFERENCES, ...keep('of-all'));
      expect(worst(all.losses, one.losses)).toBeLessThan(1e-5);
      // What one device has computed serves the mesh.
      const again = await trained('again', { mesh: AXES }, ...PREFERENCES, ...keep('of-one'));
      expect(again.outcome.stderr).toMatch(/: 32 pairs are known, in /);
      expect(worst(again.losses, one.losses)).toBeLessThan(1e-5);
    });
  });

  describe('on-policy distillation', () => {
    let distill: string[];
    beforeAll(async () => {
      const { checkpoint } = await trained(
        'teacher',
        { steps: 2 },
        ...DECODER_ONLY,
        ...options('objective={ use: causal-lm, input: pairs }'),
      );
      distill = options(
        `objective={ use: on-policy-distillation, teacher: ${checkpoint}, padToMultipleOf: 8, maxNewTokens: 6 }`,
      );
    });

    test.each<[string, Settings, string[], Settings]>([
      ['rows are split', {}, [], { mesh: { data: 8 } }],
      ['everything is split', {}, [], { mesh: AXES }],
      ['micro-batches', { microBatches: 2 }, [], { mesh: { data: 2, model: 2 } }],
      ['low-rank pairs', LORA, [], { mesh: { data: 4, model: 2 } }],
      [
        'rematerialized blocks and logits in chunks',
        {},
        options('model.rematerialize=block', 'objective.chunkTokens=16'),
        { mesh: AXES },
      ],
      ['a decoder-only student', {}, DECODER_ONLY, { mesh: AXES }],
    ])('%s: the losses are those of one device', async (_, settings, more, mesh) => {
      await compare(settings, [...distill, ...more], mesh);
    });
  });
});
