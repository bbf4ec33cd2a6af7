import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What made a run, for its config.json. */
export function versions(): Record<string, string> {
  const manifest = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };
  return { graft: manifest.version, node: process.versions.node, platform: `${process.platform}-${process.arch}` };
}
