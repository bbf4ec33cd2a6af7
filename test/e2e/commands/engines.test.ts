import { cpuPluginFile } from '@graft/engine/internal';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../../support';
import { readMetrics, runFolderOf, write, tinyTextConfig } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
let config: string;

beforeAll(() => {
  write(join(folder, 'text.txt'), 'to and fro, '.repeat(200));
  config = write(join(folder, 'small.yaml'), tinyTextConfig('small', 'steps: 2'));
});

const recordOf = (run: string): Record<string, Record<string, string>> =>
  JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as Record<string, Record<string, string>>;

test('flags that contradict each other, and a device that is not here, are one sentence each', async () => {
  const none = { GRAFT_CACHE: join(folder, 'no-cache'), GRAFT_PJRT_PLUGIN: '', PATH: '/nowhere' };
  const contradicting = await graft(['run', config, '--engine', 'xla', '--device', 'cuda'], folder, none);
  expect(contradicting).toMatchObject({ status: 2, stdout: '' });
  expect(contradicting.stderr).toContain('engine mode "xla" computes on CPUs alone, not on the device "cuda".');
  const missing = await graft(['run', config, '--device', 'cuda'], folder, none);
  expect(missing).toMatchObject({ status: 2, stdout: '' });
  expect(missing.stderr).toContain('No PJRT plugin for cuda is here');
  expect(missing.stderr).toContain('graft engine install cuda');
  const required = await graft(['run', config, '--set', 'engine.require=true'], folder, none);
  expect(required).toMatchObject({ status: 1, stdout: '' });
  expect(required.stderr).toContain('engine.require refuses it');
});

test('the doctor lists every target, and which of them auto uses', async () => {
  const { targets, auto } = JSON.parse((await graftSucceeds(['doctor', '--json'], folder)).stdout) as {
    targets: { target: string; device: string; usable: boolean }[];
    auto: { target: string };
  };
  expect(targets.map(({ target }) => target)).toEqual(expect.arrayContaining(['tensorflow', 'portable']));
  expect(targets.find(({ target }) => target === auto.target)).toMatchObject({ usable: true });
  const shown = (await graftSucceeds(['doctor'], folder)).stdout;
  expect(shown).toContain('Targets and devices:');
  expect(shown).toMatch(/`auto` computes on \w+, \w+\.\n$/);
});

test('a dry run of an installation prints sizes and fetches nothing', async () => {
  const cache = join(folder, 'dry-cache');
  const { stdout } = await graftSucceeds(['engine', 'install', 'cuda', '--dry-run'], folder, { GRAFT_CACHE: cache });
  expect(stdout).toMatch(/^jax-cuda13-pjrt 0\.11\.2 +134\.2 MB +411\.5 MB$/m);
  expect(stdout).toMatch(/^total +1\.31 GB +1\.90 GB$/m);
  expect(existsSync(cache)).toBe(false);
});

const plugin = cpuPluginFile();
const reason = "the PJRT plugin for CPUs is not in Graft's cache";

describeIf(plugin !== undefined, reason, 'a run on a device that the command line names', () => {
  test('config.json records target and device, and the run is resumed there', async () => {
    const first = await graftSucceeds(['run', config, '--engine', 'pjrt', '--device', 'cpu'], folder);
    const run = runFolderOf(first);
    expect(first.stderr).toContain('PJRT cpu');
    expect(recordOf(run)).toMatchObject({
      engine: { mode: 'pjrt', device: 'cpu' },
      versions: { target: 'pjrt', device: 'cpu' },
    });
    const resumed = await graftSucceeds(['run', config, '--set', 'train.steps=3', '--resume', idOf(run)], folder);
    expect(resumed.stderr).toContain('PJRT cpu');
    expect(resumed.stderr).not.toContain('Until now');
    expect(readMetrics(run)).toHaveLength(3);

    const moved = ['run', config, '--set', 'train.steps=4', '--resume', idOf(run), '--engine', 'portable'];
    expect((await graftSucceeds(moved, folder)).stderr).toContain('Until now the run was computed on pjrt (cpu)');
    expect(recordOf(run)).toMatchObject({ engine: { mode: 'portable' }, versions: { target: 'portable' } });
    expect(readMetrics(run)).toHaveLength(4);
  });
});

const idOf = (run: string): string => run.split('/').at(-1)!;
