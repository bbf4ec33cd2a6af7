import type { Engine } from '@graft/engine';
import { ownVersion } from '../util/version';

/** The versions that made a run, for its config.json. */
export function versions(engine: Engine): Record<string, string> {
  return {
    graft: ownVersion(),
    node: process.versions.node,
    engine: engine.description,
    target: engine.target,
    device: engine.device,
    platform: `${process.platform}-${process.arch}`,
  };
}
