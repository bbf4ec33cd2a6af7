import { CheckpointError, PluginError } from '@graft/engine';
import type { Registry } from '../../components/registry';
import type { ComponentFactory, ModelFamily } from '../../interfaces';
import { nearest } from '../../util/suggest';
import { reasonOf } from '../../util/reason';

/** A model family and where it comes from. */
export interface FoundFamily {
  readonly family: ModelFamily;
  /** Its name in a config's `model.use`: `plugin/id`. */
  readonly use: string;
  /** Its id, for sentences: the family "gemma". */
  readonly id: string;
  /** The plugin that contains it. */
  readonly plugin: string;
}

/**
 * Finds the family whose `modelTypes` contain config.json's `model_type`, and creates it with `options`. `where` names
 * the config.json in errors. Throws CheckpointError, which lists the known types with their plugins, if no family
 * matches, and PluginError if several plugins match.
 */
export async function findFamily(
  registry: Registry,
  components: ComponentFactory,
  config: Readonly<Record<string, unknown>>,
  where: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<FoundFamily> {
  const modelType = config.model_type;
  const known: { type: string; plugin: string }[] = [];
  const silent: string[] = [];
  const found: FoundFamily[] = [];
  for (const { plugin, definition } of registry.list('model')) {
    const use = `${plugin}/${definition.id}`;
    let family: ModelFamily;
    try {
      family = await components.create('model', { use });
    } catch (error) {
      silent.push(`${use} could not be asked: ${reasonOf(error)}`);
      continue;
    }
    for (const type of family.modelTypes ?? []) known.push({ type, plugin });
    if (typeof modelType === 'string' && family.modelTypes?.includes(modelType))
      found.push({ family, use, id: definition.id, plugin });
  }
  if (found.length > 1) {
    throw new PluginError(
      `${where}: several loaded families read the model_type "${String(modelType)}": ${found.map(({ use }) => use).join(' and ')}.`,
      { code: 'family.ambiguous-type', exitCode: 2, hint: 'Load one of these plugins only.' },
    );
  }
  if (found.length === 0) throw unknownType(modelType, where, known, silent);
  const [one] = found;
  if (Object.keys(options).length === 0) return one;
  return { ...one, family: await components.create('model', { use: one.use, ...options }) };
}

function unknownType(
  modelType: unknown,
  where: string,
  known: readonly { readonly type: string; readonly plugin: string }[],
  silent: readonly string[],
): CheckpointError {
  const list = known.map(({ type, plugin }) => `"${type}" (${plugin})`).join(', ') || 'none';
  const best =
    typeof modelType === 'string'
      ? nearest(
          modelType,
          known.map(({ type }) => type),
        )
      : undefined;
  const what =
    modelType === undefined
      ? 'has no "model_type"'
      : `has the model_type ${JSON.stringify(modelType)}, which no loaded plugin reads`;
  const guess = best === undefined ? '' : `; did you mean "${best}"?`;
  const others = silent.length > 0 ? ` (${silent.join('; ')})` : '';
  return new CheckpointError(`${where} ${what}; known are ${list}${guess || '.'}${others}`, {
    code: 'family.unknown-type',
    exitCode: 2,
    hint: 'Load the plugin with the family of this checkpoint (--plugin NAME, or `plugins:` in a config).',
  });
}
