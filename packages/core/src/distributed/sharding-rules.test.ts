import * as fc from 'fast-check';
import { planSharding, splitLike, type PlanRequest } from './sharding-rules';

const PARAMETERS = [
  { name: 'embed.weight', shape: [264, 32] },
  { name: 'q_proj.weight', shape: [64, 32] },
  { name: 'down_proj.weight', shape: [32, 96] },
  { name: 'odd.weight', shape: [5, 3] },
  { name: 'norm.weight', shape: [32] },
];
const SPLITS = [
  { names: ['q_proj.*', 'embed.*'], dimension: 0 },
  { names: ['down_proj.*'], dimension: 1 },
];

const planned = (request: Omit<PlanRequest, 'parameters'>): Record<string, unknown> => {
  const { parameters, ...plan } = planSharding({ parameters: PARAMETERS, ...request });
  return { ...Object.fromEntries(parameters), ...plan };
};

test('replicated splits only batches', () => {
  expect(planned({ axes: { data: 8 }, sharding: 'replicated' })).toMatchObject({
    'embed.weight': [],
    'norm.weight': [],
    batchAxes: ['data'],
    batchParts: 8,
    whole: [],
  });
});

test('fully-sharded splits the largest dimension of matrices, over fsdp if there is one', () => {
  expect(planned({ axes: { data: 8 }, sharding: 'fully-sharded' })).toEqual({
    'embed.weight': ['data', null],
    'q_proj.weight': ['data', null],
    'down_proj.weight': [null, 'data'],
    'odd.weight': [],
    'norm.weight': [],
    batchAxes: ['data'],
    batchParts: 8,
    whole: ['odd.weight'],
  });
  expect(planned({ axes: { data: 2, fsdp: 4 }, sharding: 'fully-sharded' })).toMatchObject({
    'q_proj.weight': ['fsdp', null],
    batchAxes: ['data', 'fsdp'],
    batchParts: 8,
  });
});

test('tensor splits what the family says, and without a family the last dimension that can be split', () => {
  expect(planned({ axes: { model: 8 }, sharding: 'tensor', tensorSplits: SPLITS })).toEqual({
    'embed.weight': ['model', null],
    'q_proj.weight': ['model', null],
    'down_proj.weight': [null, 'model'],
    'odd.weight': [null, null],
    'norm.weight': [],
    batchAxes: [],
    batchParts: 1,
    whole: [],
  });
  expect(planned({ axes: { model: 3 }, sharding: 'tensor' })).toMatchObject({
    'embed.weight': ['model', null],
    'q_proj.weight': [],
    'down_proj.weight': [null, 'model'],
    'odd.weight': [null, 'model'],
    whole: ['q_proj.weight'],
  });
  expect(planned({ axes: { model: 16 }, sharding: 'tensor', tensorSplits: SPLITS })).toMatchObject({
    'embed.weight': [],
    whole: ['embed.weight'],
  });
});

test('a mesh of three axes splits both dimensions of a matrix', () => {
  const axes = { data: 2, fsdp: 2, model: 2 };
  expect(planned({ axes, sharding: 'fully-sharded', tensorSplits: SPLITS })).toMatchObject({
    'embed.weight': ['model', 'fsdp'],
    'down_proj.weight': ['fsdp', 'model'],
    batchParts: 4,
  });
});

test('rules count in order, and parameters without one stay whole', () => {
  const rules = [
    { names: ['q_proj.*'], split: [] },
    { names: ['*_proj.weight', 'embed.*'], split: [['data', 'model'], null] },
  ];
  expect(planned({ axes: { data: 2, model: 2 }, sharding: { rules } })).toMatchObject({
    'q_proj.weight': [],
    'down_proj.weight': [['data', 'model'], null],
    'norm.weight': [],
  });
});

test.each([
  [{ axes: { model: 2 }, sharding: 'replicated' }, /has the axis "model", but train.sharding: replicated/],
  [{ axes: { fsdp: 2, model: 2 }, sharding: 'tensor' }, /has the axis "fsdp", but train.sharding: tensor/],
  [{ axes: { data: 2 }, sharding: 'tensor' }, /needs an axis "model"/],
  [{ axes: { model: 2 }, sharding: 'fully-sharded' }, /needs an axis "data" or "fsdp"/],
  [{ axes: { data: 2 }, sharding: { rules: [{ names: ['*'], split: ['dta'] }] } }, /names the axis "dta"/],
  [
    { axes: { data: 2 }, sharding: { rules: [{ names: ['norm.*'], split: [null, 'data'] }] } },
    /"norm.weight" is \[32\]/,
  ],
  [{ axes: { data: 2 }, sharding: { rules: [{ names: ['odd.*'], split: ['data'] }] } }, /dimension 0 of "odd.weight"/],
  [{ axes: { data: 2 }, sharding: { rules: [{ names: ['q_proj.*'], split: ['data', 'data'] }] } }, /axis "data" twice/],
  [{ axes: { data: 2 }, sharding: { rules: [{ names: ['nothing'], split: [] }] } }, /"nothing" matches no parameter/],
] as [Omit<PlanRequest, 'parameters'>, RegExp][])('%j is refused', (request, message) => {
  expect(() => planned(request)).toThrow(message);
});

test('state of another shape than its parameter is split over the same axes where that is possible', () => {
  const axes = { data: 4, model: 2 };
  expect(splitLike(['model', 'data'], [8, 8], [8, 8], axes)).toEqual(['model', 'data']);
  expect(splitLike(['model', 'data'], [8, 8], [4, 16], axes)).toEqual([null, ['model', 'data']]);
  expect(splitLike(['model', null], [8, 8], [8], axes)).toEqual([['model']]);
  expect(splitLike(['model', null], [8, 8], [7], axes)).toEqual([]);
  expect(splitLike([], [8, 8], [8], axes)).toEqual([]);
});

test('packed numbers are split like the numbers, where each device has whole words', () => {
  const axes = { data: 4, model: 2 };
  expect(splitLike(['model', 'data'], [8, 8], [8, 4], axes)).toEqual(['model', 'data']);
  expect(splitLike(['data', null], [8, 6], [8, 3], axes)).toEqual(['data', null]);
  expect(splitLike([['data', 'model']], [8, 8], [8, 4], axes)).toEqual([['data', 'model']]);
  expect(splitLike([null, 'data'], [8, 12], [8, 6], axes)).toEqual([['data'], null]);
  expect(splitLike([null, 'data'], [3, 12], [3, 6], axes)).toEqual([]);
});

test('every plan fits the mesh: axes split at most one dimension, into equal parts', () => {
  const size = fc.integer({ min: 1, max: 4 });
  const shape = fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(size, size, size, shape, fc.boolean(), (data, fsdp, model, dims, declares) => {
      const axes: Record<string, number> = { data, fsdp, model };
      const { parameters } = planSharding({
        axes,
        sharding: 'fully-sharded',
        parameters: [{ name: 'w', shape: dims }],
        tensorSplits: declares ? [{ names: ['*'], dimension: 0 }] : undefined,
      });
      const split = parameters.get('w')!.map((axis) => axis as string | null);
      const used = split.filter((axis) => axis !== null);
      expect(new Set(used).size).toBe(used.length);
      split.forEach((axis, dimension) => {
        if (axis !== null) expect(dims[dimension] % axes[axis]).toBe(0);
      });
    }),
  );
});
