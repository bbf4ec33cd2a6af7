import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** Gives a snapshot a manifest as it was before there were digests, over the files that it has now. */
export function makeOld(snapshot: string): void {
  rmSync(join(snapshot, 'manifest.json'));
  const files = readdirSync(snapshot, { recursive: true })
    .map(String)
    .map((name) => [name.split(sep).join('/'), statSync(join(snapshot, name))] as const)
    .filter(([, entry]) => entry.isFile())
    .map(([name, { size }]) => [name, size] as const);
  writeFileSync(join(snapshot, 'manifest.json'), JSON.stringify({ version: 1, files: Object.fromEntries(files) }));
}
