import { openEngine } from '@graft/engine';
import { fstatSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { runExperiment } from './experiment';

/** What the disk has, were the power cut now: of a file whether it was synced, of a folder the entries that it had then. */
const onDisk = new Map<number, Set<number>>();
let restore: () => void;

beforeAll(async () => {
  const some = await open(__filename);
  const prototype = Object.getPrototypeOf(some) as FileHandle;
  await some.close();
  const { sync } = prototype;
  restore = () => void (prototype.sync = sync);
  prototype.sync = async function (this: FileHandle): Promise<void> {
    const entry = fstatSync(this.fd);
    // The system knows by which name it was opened.
    const path = realpathSync(`/proc/self/fd/${this.fd}`);
    const entries = entry.isDirectory() ? readdirSync(path).map((name) => lstatSync(join(path, name)).ino) : [];
    await sync.call(this);
    onDisk.set(entry.ino, new Set(entries));
  };
});
afterAll(() => restore());

/** Files and folders that a power cut would take away or leave empty, and how many were looked at. */
function lost(folder: string): { lost: string[]; seen: number } {
  const found = { lost: [] as string[], seen: 0 };
  for (const { name } of readdirSync(folder, { withFileTypes: true })) {
    // Locks end with their process. The log, which nothing else reads, is synced once, at the end of the run.
    if (name.startsWith('.graft-lock') || name === 'log.txt') continue;
    const path = join(folder, name);
    const entry = lstatSync(path);
    found.seen++;
    const named = onDisk.get(lstatSync(folder).ino)?.has(entry.ino) ?? false;
    if (!named || !(entry.isSymbolicLink() || onDisk.has(entry.ino))) found.lost.push(path);
    if (!entry.isDirectory()) continue;
    const inside = lost(path);
    found.lost.push(...inside.lost);
    found.seen += inside.seen;
  }
  return found;
}

describeIf(process.platform === 'linux', 'only Linux names what a handle has open', 'a power cut', () => {
  it('a power cut loses nothing of a run, since every file, folder and new parent folder is synced', async () => {
    const root = temporaryFolder();
    const value = toyConfig(join(root, 'new', 'runs'), {
      train: { steps: 4, checkpointEvery: 2, averageDecay: 0.9 },
      evaluators: [{ use: 'norm', every: 2 }],
    });
    const engine = await openEngine({ mode: 'portable' });
    const { folder } = await runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine });
    expect(readdirSync(join(folder, 'checkpoints', 'step-4')).sort()).toEqual([
      'average',
      'config.json',
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
      'trainer.json',
    ]);
    const { lost: gone, seen } = lost(root);
    expect(gone).toEqual([]);
    // new, runs, toy, latest, the run, its four files and metrics, checkpoints, and two with nine entries each.
    expect(seen).toBe(29);
  });
});
