import type { Engine } from '@graft/engine';
import { VERSION } from '../util/version';

/** What made a run: goes into its config.json. */
export function versions(engine: Engine): Record<string, string> {
  return {
    graft: VERSION,
    node: process.versions.node,
    engine: engine.description,
    platform: `${process.platform}-${process.arch}`,
  };
}
