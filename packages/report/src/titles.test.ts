import type { RunData } from './read-run';
import { settingsOfModels, shortTitles } from './titles';

const run = (name: string, id: string, config: object): RunData =>
  ({ title: `${name}/${id}`, record: { name, id }, config: { name, ...config } }) as unknown as RunData;

test('runs of one name are called by the settings in which they differ', () => {
  const adamw = { use: 'adamw', betas: [0.9, 0.999] };
  expect(
    shortTitles([
      run('a', '1', { seed: 0, optimizer: { ...adamw, learningRate: 0.1 }, runs: '/x' }),
      run('a', '2', { seed: 0, optimizer: { ...adamw, learningRate: 0.2, clipNorm: 1 }, runs: '/y' }),
      // Betas that only one component has follow from its name.
      run('a', '3', { seed: 1, optimizer: { use: 'lion', betas: [0.9, 0.99], learningRate: 0.1 } }),
      run('b', '1', { seed: 7 }),
    ]),
  ).toEqual([
    'a seed=0 optimizer=adamw learningRate=0.1 clipNorm=null',
    'a seed=0 optimizer=adamw learningRate=0.2 clipNorm=1',
    'a seed=1 optimizer=lion learningRate=0.1 clipNorm=null',
    'b',
  ]);
});

test('runs are called by their ids where settings are equal, or too many', () => {
  expect(shortTitles([run('b', 'x', { seed: 1 }), run('b', 'y', { seed: 1 })])).toEqual(['b/x', 'b/y']);
  const many = (value: number): object => ({ model: { a: value, b: value, c: value, d: value, e: value } });
  expect(shortTitles([run('b', 'x', many(1)), run('b', 'y', many(2))])).toEqual(['b/x', 'b/y']);
});

test('models of several seeds differ in other settings than the seed', () => {
  const configs = [
    { seed: 0, train: { batchSize: 4 } },
    { seed: 1, train: { batchSize: 8 } },
  ];
  expect(settingsOfModels(configs.map((config) => ({ name: 'a', config })))).toEqual(['batchSize=4', 'batchSize=8']);
});
