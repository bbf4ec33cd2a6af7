import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '@graft/engine';

/** What made a run: goes into its config.json. */
export function versions(engine: Engine): Record<string, string> {
  const manifest = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };
  return {
    graft: manifest.version,
    node: process.versions.node,
    engine: engine.description,
    platform: `${process.platform}-${process.arch}`,
  };
}
