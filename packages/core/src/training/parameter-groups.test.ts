import { openEngine, tf } from '@graft/engine';
import { toyModel } from '../../test/toy-plugin';
import type { Model } from '../interfaces';
import { ParameterGroups } from './parameter-groups';

beforeAll(() => openEngine({ mode: 'portable' }));

const model: Model = {
  ...toyModel(2),
  kind: 'encoder-decoder',
  parameters: [
    { name: 'enc.q', shape: [1], part: 'encoder', initial: 'normal' },
    { name: 'enc.norm', shape: [1], part: 'encoder', initial: 'zeros' },
    { name: 'dec.q', shape: [1], part: 'decoder', initial: 'normal' },
    { name: 'dec.cross', shape: [1], part: 'cross-attention', initial: 'normal' },
  ],
};
const tensors = (prefix = ''): Record<string, tf.Tensor> =>
  Object.fromEntries(model.parameters.map(({ name }) => [prefix + name, tf.tensor1d([1])]));

const trained = (groups: ParameterGroups, done: number): Record<string, unknown>[] =>
  groups
    .trained(groups.phaseAt(done), tensors(), { ...tensors('m/'), shared: tf.scalar(0) }, tf.scalar(done))
    .map(({ parameters, state, step, ...factors }) => ({
      names: Object.keys(parameters),
      state: Object.keys(state),
      step: step.arraySync(),
      ...factors,
    }));

test('without settings all parameters train as one group', () => {
  expect(trained(ParameterGroups.of(model, {}), 5)).toEqual([
    {
      names: ['enc.q', 'enc.norm', 'dec.q', 'dec.cross'],
      state: ['shared', 'm/enc.q', 'm/enc.norm', 'm/dec.q', 'm/dec.cross'],
      step: 5,
      learningRateFactor: 1,
      weightDecayFactor: 1,
    },
  ]);
});

test('the first matching group applies, and parameters that start later count their own steps', () => {
  const groups = ParameterGroups.of(model, {
    groups: [
      { names: ['*.norm'], learningRateFactor: 2, weightDecayFactor: 0 },
      { parts: ['encoder'], fromStep: 3, untilStep: 6 },
    ],
    crossAttentionWarmupSteps: 2,
  });
  const names = (done: number): unknown[] => trained(groups, done).map((group) => [group.names, group.step]);
  expect(names(0)).toEqual([[['dec.cross'], 0]]);
  expect(names(2)).toEqual([
    [['enc.norm'], 0],
    [['dec.q'], 0],
    [['dec.cross'], 2],
  ]);
  expect(names(4)).toEqual([
    [['enc.q'], 1],
    [['enc.norm'], 2],
    [['dec.q'], 2],
    [['dec.cross'], 4],
  ]);
  expect(names(6)).toHaveLength(3);
  expect(trained(groups, 4)[1]).toMatchObject({ learningRateFactor: 2, weightDecayFactor: 0 });
  expect(new Set([0, 1, 2, 3, 4, 5, 6, 7].map((done) => groups.phaseAt(done))).size).toBe(3);
});

test('a group must match by name and part, and parameters that never train have no optimizer state', () => {
  const groups = ParameterGroups.of(model, { groups: [{ names: ['*.q'], parts: ['encoder'], untilStep: 0 }] });
  expect(Object.keys(groups.everTrained(tensors()))).toEqual(['enc.norm', 'dec.q', 'dec.cross']);
  expect(trained(groups, 0)[0].names).toEqual(['enc.norm', 'dec.q', 'dec.cross']);
});

test.each([
  [{ names: ['enc.k'] }, 'no parameter of the model is called "enc.k"', 'The nearest is "enc.q".'],
  [{ parts: ['head' as const] }, 'train.groups.0 fits no parameter', 'encoder, decoder, cross-attention'],
])('a group that matches no parameter is an error: %j', (group, message, hint) => {
  expect(() => ParameterGroups.of(model, { groups: [group] })).toThrow(
    expect.objectContaining({ message: expect.stringContaining(message), hint: expect.stringContaining(hint) }),
  );
});

test('a group that earlier groups leave empty is an error', () => {
  const groups = [{ names: ['*.q'] }, { names: ['enc.q', 'dec.q'], untilStep: 0 }];
  expect(() => ParameterGroups.of(model, { groups })).toThrow(
    /train\.groups\.1 is never used: earlier groups take all of its 2 parameters/,
  );
});

test('steps that would train nothing are reported before the run', () => {
  const frozen = { groups: [{ names: ['*'], untilStep: 4 }] };
  expect(() => ParameterGroups.of(model, frozen, 5)).toThrow(/leaves no parameter to train at step 5\./);
  expect(() => ParameterGroups.of(model, frozen, 4)).not.toThrow();
  const idle = { groups: [{ parts: ['cross-attention' as const], untilStep: 0 }], crossAttentionWarmupSteps: 3 };
  expect(() => ParameterGroups.of(model, idle, 9)).toThrow(/at step 1\./);
});

test('a step that trains nothing is an error', () => {
  const groups = ParameterGroups.of(model, { groups: [{ names: ['*'], fromStep: 1 }] });
  expect(() => trained(groups, 0)).toThrow(/leaves no parameter to train at this step/);
});
