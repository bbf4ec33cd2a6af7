import { EngineError } from '@graft/engine';
import type { Model } from '../interfaces';
import { availableMemory, explainOutOfMemory, formatMemory, loadWarning, memoryAdvice, stepWarning } from './memory';

const MIB = 2 ** 20;
const fields = { input_ids: { dtype: 'int32' as const, shape: [2, 3], values: new Int32Array(6) } };

it('memory sizes are formatted in MiB and GiB', () => {
  expect([0, 1, 210 * MIB, 1024 * MIB, 2.34 * 1024 * MIB].map(formatMemory)).toEqual([
    '0 MiB',
    '1 MiB',
    '210 MiB',
    '1.0 GiB',
    '2.3 GiB',
  ]);
});

it('the available memory of this machine is plausible', () => {
  expect(availableMemory()).toBeGreaterThan(MIB);
  expect(availableMemory()).toBeLessThan(2 ** 50);
});

describe('memory warnings', () => {
  const model = { parameters: [{ name: 'w', shape: [256, 1024], part: 'decoder' }] } as unknown as Model; // 1 MiB

  it('loading warns when parameters and gradients do not fit', () => {
    expect(loadWarning(model, {}, 2 * MIB)).toBeUndefined();
    expect(loadWarning(model, {}, 2 * MIB - 1)).toMatch(
      /^Parameters, their gradients take 2 MiB of memory, and 2 MiB are free/,
    );
    expect(loadWarning(model, { averageDecay: 0.9 }, 2 * MIB)).toMatch(
      /their moving average and their gradients take 3 MiB/,
    );
    const narrow = { parameterDtype: 'bfloat16' } as const;
    expect(loadWarning(model, narrow, 2 * MIB)).toMatch(/take 3 MiB/); // 0.5 and the master's 1, and gradients
    expect(loadWarning(model, { ...narrow, masterWeights: 'none' }, 1.5 * MIB)).toBeUndefined();
  });

  it('a step that does not fit warns with the free memory and the settings to lower', () => {
    const held = { parameters: { w: { shape: [256, 1024] } }, 'moving average': {} } as never;
    const advice = memoryAdvice({ batchSize: 8 });
    expect(stepWarning({ held, temporaryBytes: MIB }, advice, MIB)).toBeUndefined();
    const warning = stepWarning({ held, temporaryBytes: 3 * MIB }, advice, MIB);
    expect(warning).toContain('about 3 MiB of memory');
    expect(warning).toContain('(parameters 1 MiB), and 1 MiB are free');
    expect(warning).toContain('Lower train.batchSize (now 8), raise train.microBatches (now 1)');
  });
});

describe('an out-of-memory error', () => {
  const cause = new EngineError('jit "trainStep": OOM when allocating.', { code: 'engine.out-of-memory' });

  it.each([cause, new RangeError('Array buffer allocation failed')])(
    'an out-of-memory error gets step, batch and advice: %s',
    (error) => {
      expect(explainOutOfMemory(error, 4, fields, 'Lower it.')).toMatchObject({
        code: 'engine.out-of-memory',
        message: expect.stringMatching(/^Memory ran out at step 4: .*\. Its batch is input_ids \[2, 3\]\.$/),
        hint: 'Lower it.',
        cause: error,
      });
    },
  );

  it('other errors are passed on unchanged', () => {
    for (const error of [new Error('out of memory'), new RangeError('no such index'), 'text'])
      expect(explainOutOfMemory(error, 4, fields, '')).toBe(error);
  });
});
