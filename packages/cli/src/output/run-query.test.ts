import type { RunData } from '@graft/report';
import { matches, parseCondition, queriedRun, sortedBy, type QueriedRun } from './run-query';

const run = (id: string, loss: number | undefined, more: object = {}): QueriedRun =>
  queriedRun(
    {
      title: `a/${id}`,
      folder: `/runs/a/${id}`,
      record: { name: 'a', id, status: 'finished', createdAt: '2026-11-27T10:00:00.000Z' },
      config: { name: 'a', seed: 3, optimizer: { use: 'lion', betas: [0.9, 0.99] }, engine: { mode: 'auto' }, ...more },
    } as unknown as RunData,
    loss === undefined ? {} : { loss },
  );

it('the values of a run are its record, its numbers and every key of its config', () => {
  const { values } = run('1', 2.5);
  expect(Object.fromEntries(values)).toMatchObject({
    ...{ run: 'a/1', status: 'finished', kind: 'training', loss: 2.5, seed: 3 },
    ...{ optimizer: 'lion', 'optimizer.use': 'lion', 'optimizer.betas.1': 0.99, 'engine.mode': 'auto' },
  });
});

test.each([
  ['loss=2.5', true],
  ['loss!=2.50', false],
  ['loss < 3', true],
  ['loss>=2.5', true],
  ['loss>2.5', false],
  ['optimizer=li*', true],
  ['optimizer=i*', false],
  ['status!=failed', true],
  ['created>2026-11-26', true],
  ['created<2026-11-27', false],
  ['heldOut/loss<9', false],
  ['heldOut/loss!=9', true],
])('a run with loss 2.5 and lion: %s is %s', (text, expected) => {
  expect(matches(run('1', 2.5), parseCondition(text))).toBe(expected);
});

it('runs are sorted by numbers or texts, those without a value last', () => {
  const all = [run('10', 3), run('9', undefined), run('2', 1)];
  const ids = (runs: readonly QueriedRun[]): string[] => runs.map(({ run: { record } }) => record.id);
  expect(ids(sortedBy(all, 'loss', false))).toEqual(['2', '10', '9']);
  expect(ids(sortedBy(all, 'loss', true))).toEqual(['10', '2', '9']);
  expect(ids(sortedBy(all, 'id', false))).toEqual(['2', '9', '10']);
});
