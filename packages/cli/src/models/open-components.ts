import type { CheckpointReader } from '@graft/checkpoint';
import type { ComponentFactory, FoundFamily, Registry } from '@graft/core';
import type { Engine } from '@graft/engine';
import { join } from 'node:path';
import { openLogger, type CommandContext } from '../commands/shared/context';
import { defaultPlugins } from '../default-plugins';

export interface OpenedComponents {
  readonly registry: Registry;
  readonly components: ComponentFactory;
}

/** Graft's own plugins and those that the command line names. */
export async function openRegistry(context: CommandContext, plugins: readonly string[] = []): Promise<Registry> {
  const { loadRegistry } = await import('@graft/core');
  return loadRegistry([...defaultPlugins, ...plugins], [process.cwd(), __dirname], { onCode: context.noteCode });
}

/** The family of the checkpoint that a reader has open. Throws CheckpointError if no plugin reads its model_type. */
export async function openFamily(
  context: CommandContext,
  plugins: readonly string[] | undefined,
  reader: CheckpointReader,
): Promise<FoundFamily> {
  const { findFamily } = await import('@graft/core');
  const registry = await openRegistry(context, plugins);
  const components = await familyComponents(context, registry);
  return findFamily(registry, components, await reader.config(), join(reader.path, 'config.json'));
}

/** The family of the checkpoint in a folder. */
export async function openFamilyOf(
  context: CommandContext,
  plugins: readonly string[] | undefined,
  folder: string,
): Promise<FoundFamily> {
  const { CheckpointReader } = await import('@graft/checkpoint');
  const reader = await CheckpointReader.open(folder);
  try {
    return await openFamily(context, plugins, reader);
  } finally {
    await reader.close();
  }
}

/** For asking families what they read: they need no engine that computes, so this opens none but the slow one. */
export async function familyComponents(context: CommandContext, registry: Registry): Promise<ComponentFactory> {
  const { createComponentFactory, createRandom } = await import('@graft/core');
  const { openEngine } = await import('@graft/engine');
  return createComponentFactory(registry, {
    engine: await openEngine({ mode: 'portable' }),
    random: createRandom(0),
    logger: await openLogger(context),
  });
}

/** The components of Graft's own plugins and of those that the command line names, for commands without a config. */
export async function openComponents(
  context: CommandContext,
  plugins: readonly string[] | undefined,
  engine: Engine,
): Promise<OpenedComponents> {
  const { createComponentFactory, createRandom } = await import('@graft/core');
  const registry = await openRegistry(context, plugins);
  const components = createComponentFactory(registry, {
    engine,
    random: createRandom(0),
    logger: await openLogger(context),
  });
  return { registry, components };
}
