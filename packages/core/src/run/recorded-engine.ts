import type { Engine } from '@graft/engine';
import type { ExperimentConfig } from '../config';
import { isObject } from '../util/objects';
import type { RunFolder } from './folder';

type EngineSection = ExperimentConfig['engine'];

/** The keys of a section that say where to compute. */
const PLACE = ['target', 'mode', 'device', 'plugin', 'memoryFraction', 'preallocate'] as const;

/** Whether a section leaves open where to compute. */
const isOpen = ({ target, mode, device, plugin, libraryPath }: EngineSection): boolean =>
  target === 'auto' && mode === 'auto' && device === undefined && plugin === undefined && libraryPath === undefined;

/**
 * What was loaded for a run that may be resumed: where its config now leaves open where to compute, the engine is the one
 * that the run was started with, as config.json records it. Runs of earlier releases record none.
 */
export async function withRecordedEngine<L extends { readonly config: { readonly engine: EngineSection } }>(
  loaded: L,
  found: RunFolder | undefined,
): Promise<L> {
  if (!found) return loaded;
  const { config } = loaded;
  return { ...loaded, config: { ...config, engine: recordedEngine(config.engine, await found.config()) } };
}

function recordedEngine(section: EngineSection, recorded: Readonly<Record<string, unknown>>): EngineSection {
  const { engine } = recorded;
  if (!isOpen(section) || !isObject(engine) || engine.target === undefined) return section;
  const place = Object.fromEntries(PLACE.filter((key) => engine[key] !== undefined).map((key) => [key, engine[key]]));
  return { ...section, ...place };
}

/** The target and the device on which a run was computed until now, if that is not this engine's. */
export function computedElsewhere(
  { versions }: Readonly<Record<string, unknown>>,
  { target, device }: Engine,
): string | undefined {
  if (!isObject(versions) || typeof versions.target !== 'string' || typeof versions.device !== 'string')
    return undefined;
  if (versions.target === target && versions.device === device) return undefined;
  return `${versions.target} (${versions.device})`;
}
