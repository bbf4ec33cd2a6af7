import { openEngine, tf } from '@graft/engine';
import type { Model } from '../interfaces';
import { ChangingModel } from './changing-model';
import { modelWithin } from './step';

beforeAll(() => openEngine({ mode: 'portable' }));

/** A model that only says after how many steps it is. */
const named = (name: string, steps?: number): Model =>
  ({
    name,
    ...(steps !== undefined && {
      transition: { steps, at: (more: number | tf.Scalar) => named(typeof more === 'number' ? `${more}` : 'given') },
    }),
  }) as unknown as Model;
const nameOf = (model: Model): string => (model as unknown as { name: string }).name;

test('a model that stays as it is, is the same at every step', () => {
  const model = named('fixed');
  const changing = new ChangingModel(model, 3);
  expect(changing.after(7)).toBe(model);
  expect(changing.formOfStep(7)).toEqual({});
  expect(modelWithin(model, {})).toBe(model);
});

test('steps count from where the model was built, and behind the last form one object stays', () => {
  const changing = new ChangingModel(named('first', 2), 5);
  expect([5, 6, 7, 9].map((done) => nameOf(changing.after(done)))).toEqual(['0', '1', '2', '2']);
  expect(changing.after(9)).toBe(changing.after(8));
  expect([5, 6, 7, 9].map((done) => changing.formOfStep(done))).toEqual([
    { changesSince: 5 },
    { changesSince: 5 },
    { hasChanged: true },
    { hasChanged: true },
  ]);
});

test('a compiled step is given how far the model is, and behind its last step the last form', () => {
  const model = named('first', 2);
  const step = tf.scalar(6);
  expect(nameOf(modelWithin(model, { step, changesSince: 5 }))).toBe('given');
  expect(nameOf(modelWithin(model, { step, hasChanged: true }))).toBe('2');
});
