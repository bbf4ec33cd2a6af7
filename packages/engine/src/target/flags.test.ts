import type { EngineOptions } from '../types';
import { chooseTarget } from './choose';
import { withEngineFlags, type EngineFlags } from './flags';

const CUDA: EngineOptions = { target: 'pjrt', mode: 'auto', device: 'cuda', plugin: '/cuda.so', memoryFraction: 0.9 };

test.each<[EngineOptions, EngineFlags, EngineOptions]>([
  [{ mode: 'graph', threads: 2 }, {}, { mode: 'graph', threads: 2 }],
  [{ mode: 'graph', threads: 2 }, { engine: 'xla' }, { target: 'auto', mode: 'xla', threads: 2 }],
  [CUDA, { engine: 'mixed' }, { target: 'auto', mode: 'mixed' }],
  [CUDA, { engine: 'tensorflow' }, { target: 'tensorflow', mode: 'auto' }],
  [CUDA, { engine: 'auto' }, { target: 'auto', mode: 'auto' }],
  [CUDA, { engine: 'pjrt' }, { ...CUDA, target: 'auto', mode: 'pjrt' }],
  [CUDA, { device: 'cuda' }, CUDA],
  [CUDA, { device: 'cpu' }, { target: 'pjrt', mode: 'auto', device: 'cpu' }],
  [{ device: 'cuda' }, { device: 'cpu' }, { device: 'cpu' }],
  [{ mode: 'xla' }, { device: 'cuda' }, { target: 'auto', mode: 'auto', device: 'cuda' }],
  [{}, { engine: 'pjrt', device: 'cpu' }, { target: 'auto', mode: 'pjrt', device: 'cpu' }],
])('the options %j with the flags %j over them are %j', (section, flags, expected) => {
  const merged = withEngineFlags(section, flags);
  expect(merged).toEqual(expected);
  expect(() => chooseTarget(merged)).not.toThrow();
});

test('flags that contradict each other are left to be refused', () => {
  const merged = withEngineFlags(CUDA, { engine: 'xla', device: 'cuda' });
  expect(() => chooseTarget(merged)).toThrow('engine mode "xla" computes on CPUs alone, not on the device "cuda".');
});
