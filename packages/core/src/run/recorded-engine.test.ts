import type { Engine } from '@graft/engine';
import { EngineSection } from '../config/schema';
import type { RunFolder } from './folder';
import { computedElsewhere, withRecordedEngine } from './recorded-engine';

const folderWith = (config: object): RunFolder => ({ config: () => Promise.resolve(config) }) as unknown as RunFolder;

const resumed = async (now: object, recorded: object): Promise<unknown> => {
  const loaded = { config: { engine: EngineSection.parse(now) } };
  return (await withRecordedEngine(loaded, folderWith(recorded))).config.engine;
};

const CUDA = { target: 'auto', mode: 'auto', device: 'cuda', memoryFraction: 0.9 };

test('a resumed run whose config leaves the engine open computes where it was started', async () => {
  expect(await resumed({ threads: 2 }, { engine: CUDA })).toEqual({ ...CUDA, threads: 2 });
  expect(await resumed({}, { engine: { target: 'auto', mode: 'mixed' } })).toEqual({ target: 'auto', mode: 'mixed' });
});

test.each([{ device: 'cpu' }, { mode: 'graph' }, { target: 'portable' }, { plugin: '/mine.so' }])(
  'a config that says %j is followed, whatever the run was started with',
  async (now) => {
    expect(await resumed(now, { engine: CUDA })).toEqual(EngineSection.parse(now));
  },
);

test('runs of earlier releases, which recorded only a mode, are resumed as the config says', async () => {
  expect(await resumed({}, { engine: { mode: 'portable' } })).toEqual({ target: 'auto', mode: 'auto' });
});

test('a run that goes on elsewhere is noticed by what config.json records of the engine', () => {
  const engine = { target: 'tensorflow', device: 'cpu' } as Engine;
  expect(computedElsewhere({ versions: { target: 'pjrt', device: 'cuda' } }, engine)).toBe('pjrt (cuda)');
  expect(computedElsewhere({ versions: { target: 'tensorflow', device: 'cpu' } }, engine)).toBeUndefined();
  expect(computedElsewhere({ versions: { engine: 'TensorFlow' } }, engine)).toBeUndefined();
});
