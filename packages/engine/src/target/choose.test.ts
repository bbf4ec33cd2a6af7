import type { EngineOptions } from '../types';
import { chooseTarget, type TargetChoice } from './choose';

test.each<[EngineOptions, Partial<TargetChoice>]>([
  [{}, { target: 'auto', executor: 'auto', device: undefined }],
  [{ mode: 'auto' }, { target: 'auto', executor: 'auto' }],
  [{ device: 'cpu' }, { target: 'auto', device: 'cpu' }],
  [{ mode: 'mixed' }, { target: 'tensorflow', executor: 'mixed', device: 'cpu' }],
  [{ mode: 'portable' }, { target: 'portable', executor: 'auto', device: 'cpu' }],
  [{ mode: 'pjrt' }, { target: 'pjrt', executor: 'auto', device: undefined }],
  [{ mode: 'pjrt', plugin: 'a.so' }, { target: 'pjrt' }],
  [{ target: 'tensorflow' }, { target: 'tensorflow', executor: 'auto', device: 'cpu' }],
  [
    { target: 'tensorflow', mode: 'graph' },
    { target: 'tensorflow', executor: 'graph' },
  ],
  [{ target: 'portable', mode: 'portable' }, { target: 'portable' }],
  [
    { target: 'pjrt', device: 'cpu' },
    { target: 'pjrt', device: 'cpu' },
  ],
  [{ device: 'cuda' }, { target: 'pjrt', device: 'cuda' }],
  [
    { target: 'auto', mode: 'auto', device: 'tpu' },
    { target: 'pjrt', device: 'tpu' },
  ],
  [{ plugin: 'a.so' }, { target: 'pjrt', device: undefined }],
  [{ libraryPath: '/lib' }, { target: 'tensorflow', executor: 'auto' }],
  [{ libraryPath: '/lib', device: 'cuda' }, { target: 'pjrt' }],
  [
    { device: 'cuda', memoryFraction: 0.9, preallocate: false },
    { target: 'pjrt', device: 'cuda' },
  ],
  [{ plugin: 'a.so', memoryFraction: 1 }, { target: 'pjrt' }],
])('the options %j ask for %j', (options, expected) => {
  expect(chooseTarget(options)).toMatchObject(expected);
});

test.each<[EngineOptions, string]>([
  [
    { target: 'pjrt', mode: 'xla' },
    'engine target "pjrt" and engine mode "xla" contradict each other: the mode is one of the target tensorflow.',
  ],
  [
    { target: 'tensorflow', mode: 'portable' },
    'engine target "tensorflow" and engine mode "portable" contradict each other: the mode is one of the target portable.',
  ],
  [{ mode: 'xla', device: 'cuda' }, 'engine mode "xla" computes on CPUs alone, not on the device "cuda".'],
  [{ target: 'portable', device: 'tpu' }, 'engine target "portable" computes on CPUs alone, not on the device "tpu".'],
  [{ mode: 'graph', plugin: 'a.so' }, 'engine mode "graph" loads no PJRT plugin, but engine plugin names a.so.'],
  [{ device: 'cuda', memoryFraction: 1.5 }, 'engine memoryFraction is 1.5; expected a number above 0, and at most 1.'],
  [
    { target: 'pjrt', device: 'cpu', preallocate: false },
    'engine preallocate belongs to the devices cuda and rocm; the device here is "cpu".',
  ],
  [
    { mode: 'xla', memoryFraction: 0.5 },
    'engine memoryFraction belongs to the devices cuda and rocm; the device here is "cpu".',
  ],
])('the contradiction in %j is refused in one sentence', (options, message) => {
  expect(() => chooseTarget(options)).toThrow(
    expect.objectContaining({ message, code: 'engine.options', exitCode: 2, hint: expect.any(String) as string }),
  );
});

test.each<[object, string, RegExp]>([
  [
    { target: 'gpu' },
    'engine.options',
    /^engine target "gpu" is unknown; expected one of auto, tensorflow, pjrt, portable\.$/,
  ],
  [
    { device: 'gpu' },
    'engine.options',
    /^engine device "gpu" is unknown; expected one of cpu, cuda, rocm, tpu, oneapi\.$/,
  ],
])('an unknown word in %j is refused with the known ones', (options, code, message) => {
  expect(() => chooseTarget(options)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) as string }),
  );
});
