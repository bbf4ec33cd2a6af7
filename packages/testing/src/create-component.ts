import {
  createComponentFactory,
  createRandom,
  Registry,
  silentLogger,
  type ComponentSpec,
  type ComponentTypes,
  type InterfaceName,
  type Plugin,
  type RunInfo,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { openStrictEngine } from './engine/strict-engine';

/** What a component gets when `createComponent` creates it. */
export interface CreateOptions {
  /** Default: `openStrictEngine()`. */
  readonly engine?: Engine;
  /** Seed of its random stream. Default 0. */
  readonly seed?: number;
  /** The run that it works for. Default: none. */
  readonly run?: RunInfo;
}

/**
 * Creates a component as a run does: by its name, with its options checked and defaults filled in. Nested components come from
 * the same plugins. Throws PluginError as a run does.
 */
export async function createComponent<I extends InterfaceName>(
  plugins: readonly Plugin[],
  component: I,
  spec: ComponentSpec | string,
  { engine, seed = 0, run }: CreateOptions = {},
): Promise<ComponentTypes[I]> {
  const registry = new Registry();
  for (const plugin of plugins) registry.register(plugin, `plugin ${plugin.name}`);
  const services = {
    engine: engine ?? (await openStrictEngine()),
    random: createRandom(seed),
    logger: silentLogger(),
    run,
  };
  return createComponentFactory(registry, services).create(component, spec);
}
