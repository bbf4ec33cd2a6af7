/** The archive for machines with a GPU, rehearsed on XLA's plugin for CPUs. */
import { cpuPluginFile } from '@graft/engine/internal';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, ROOT, temporaryFolder } from '../support';

const plugin = cpuPluginFile();

interface Line {
  readonly kind: string;
  readonly stage?: string;
  readonly code?: number;
  readonly failed?: readonly string[];
  readonly passed?: number;
  readonly losses?: readonly [number, number];
  readonly tokens_per_s?: number;
}

describeIf(plugin !== undefined, "XLA's plugin for CPUs is not in the cache", 'npm run pack:device', () => {
  test('the archive is under 60 MB, and runs in a folder of its own with nothing beside it', () => {
    execFileSync('node', ['scripts/pack-device.mjs'], { cwd: ROOT, stdio: 'pipe' });
    const archive = join(ROOT, 'dist-device', 'graft-device.tar.xz');
    expect(statSync(archive).size).toBeLessThan(60e6);
    const folder = temporaryFolder();
    execFileSync('tar', ['-xJf', archive, '-C', folder]);
    const home = join(folder, 'graft-device');
    expect(existsSync(join(home, 'device-check.sh'))).toBe(true);
    const output = execFileSync('./device-check.sh', ['--small', '--stages', 'golden,graft,generate'], {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: folder, GRAFT_PJRT_PLUGIN: plugin },
      encoding: 'utf8',
    });
    const lines = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
    expect(lines.filter(({ kind }) => kind === 'stage').map(({ stage, code }) => [stage, code])).toEqual([
      ['golden', 0],
      ['graft', 0],
      ['generate', 0],
    ]);
    const golden = lines.find(({ kind, passed }) => kind === 'golden' && passed !== undefined);
    expect(golden?.failed).toEqual([]);
    expect(golden?.passed).toBeGreaterThanOrEqual(8);
    const [first, last] = lines.find(({ kind }) => kind === 'graft-train')!.losses!;
    expect(last).toBeLessThan(first);
    expect(lines.filter(({ kind }) => kind === 'graft-generate')).toHaveLength(2);
    expect(output).toMatch(/size {2}who +batch +ms a step/);
  });

  test('a stage that does not exist is refused with those that do', () => {
    const home = join(ROOT, 'test', 'device');
    const check = (): string =>
      execFileSync('node', ['check.mjs', '--stages', 'goldn', '--plugin', plugin!], {
        cwd: home,
        stdio: 'pipe',
      }).toString();
    expect(check).toThrow(/There is no stage "goldn"; there are golden, attention/);
  });
});
