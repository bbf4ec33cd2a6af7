import type { FoundRun, Trial } from '@graft/core';
import { trialArguments, type TrialProcessOptions } from './trial-process';

const options: TrialProcessOptions = {
  trial: { kind: 'training', config: '/a/base.yaml', overrides: ['train.steps=2', 'name=rates'] } as unknown as Trial,
  share: { memory: 1 },
  unfinished: undefined,
  engine: {},
  sharesGpu: false,
  folder: '/a',
  signal: new AbortController().signal,
};

it('a trial is a `graft run` that a user could repeat', () => {
  expect(trialArguments(options)).toEqual([
    ...['--quiet', 'run', '/a/base.yaml', '--set', 'train.steps=2', '--set', 'name=rates'],
  ]);
});

it('a trial that only evaluates is a `graft evaluate`', () => {
  const trial = { ...options.trial, kind: 'evaluation' } as Trial;
  expect(trialArguments({ ...options, trial }).slice(0, 3)).toEqual(['--quiet', 'evaluate', '/a/base.yaml']);
});

it('it gets its threads, the engine of the command line, and the run to resume', () => {
  const args = trialArguments({
    ...options,
    share: { threads: 3, memory: 0.5 },
    unfinished: { id: '20261127-1' } as FoundRun,
    engine: { engine: 'pjrt', device: 'cuda' },
    onLine: () => undefined,
  });
  expect(args[0]).toBe('--debug');
  expect(args.slice(-8)).toEqual([
    ...['--resume', '20261127-1', '--threads', '3', '--engine', 'pjrt', '--device', 'cuda'],
  ]);
});
