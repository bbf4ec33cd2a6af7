import { createComponentFactory, createRandom, Registry, silentLogger, type Evaluator, type Logger } from '@graft/core';
import type { Engine } from '@graft/engine';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { plugin } from '../src/plugin';

/** Where an evaluator works. */
export interface Surroundings {
  readonly engine: Engine;
  /** Folder of the run that it belongs to. Default: none. */
  readonly runFolder?: string;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** The evaluator `superglue` as a config would make it. */
export function openEvaluator(
  options: object,
  { engine, runFolder, logger = silentLogger() }: Surroundings,
): Promise<Evaluator> {
  const registry = new Registry();
  for (const one of [plugin, optimizers, objectives, text]) registry.register(one, 'test');
  const run = runFolder === undefined ? undefined : { name: 'x', id: 'y', folder: runFolder, config: {} };
  const factory = createComponentFactory(registry, { engine, random: createRandom(0), logger, run });
  return factory.create('evaluator', { use: 'superglue', ...options });
}
