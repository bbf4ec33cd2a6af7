import { ENGINE_MODES } from '@graft/engine/internal';
import { z } from 'zod';
import { INTERFACES, type InterfaceName } from '../interfaces';
import type { Registry } from '../components/registry';
import { maskedConfig } from '../secrets/mask';
import { MASK } from '../secrets/redact';
import { markerOf } from './markers';
import { COMPONENT_SECTIONS, EngineSection, EvaluatorKeys, PlainSections } from './schema';
import { walk, type Visitor } from './walk';

/** A JSON Schema, as JSON. */
export type JsonSchema = Record<string, unknown>;

/**
 * Options as written in a config; parts that JSON Schema cannot express are left open. A nested component refers to its
 * interface. With `marks`, paths and secrets have the key MARK.
 */
export function schemaOf(schema: z.ZodType, { marks = false }: { readonly marks?: boolean } = {}): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const marker = markerOf(zodSchema);
      const definition = zodSchema._zod.def as { readonly type: string; readonly defaultValue?: unknown };
      // zod leaves out the default of what is transformed, as components and secrets are.
      const value = definition.type === 'default' ? definition.defaultValue : jsonSchema.default;
      if (value !== undefined) jsonSchema.default = defaultOf(zodSchema, value) as typeof jsonSchema.default;
      if (marker === undefined) return;
      if (marks && marker.kind !== 'component') (jsonSchema as JsonSchema)[MARK] = marker.kind;
      if (marker.kind === 'path') return;
      const { description } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) if (key !== MARK) delete (jsonSchema as JsonSchema)[key];
      Object.assign(
        jsonSchema,
        marker.kind === 'component' ? reference(marker.interface) : SECRET_SCHEMA,
        description !== undefined && { description },
      );
    },
  });
  return rest;
}

/** The key of a value's kind, `path` or `secret`. */
export const MARK = 'x-graft';

const one = (key: string, description: string): JsonSchema => ({
  type: 'object',
  properties: { [key]: { type: 'string', description } },
  required: [key],
  additionalProperties: false,
});

const SECRET_SCHEMA: JsonSchema = {
  anyOf: [
    one('env', 'the environment variable that holds it'),
    one('file', 'the file that holds it'),
    { type: 'string', description: 'the secret itself, better kept out of configs' },
  ],
};

/** A default, without secrets of the plugin's author. */
function defaultOf(schema: z.core.$ZodType, value: unknown): unknown {
  const mask: Visitor = { path: (path) => path, component: (_, spec) => spec, secret: () => MASK };
  return maskedConfig(walk(schema, value, '', mask));
}

const reference = (interface_: InterfaceName): { $ref: string } => ({ $ref: `#/$defs/${interface_}` });

/** `{ use: id, … }` for every component of an interface, or its id alone. */
function definitionOf(registry: Registry, interface_: InterfaceName, extra: JsonSchema = {}): JsonSchema {
  const names = registry.names(interface_);
  const components = registry.list(interface_).map(({ definition, plugin }) => {
    const { properties, required, ...rest } = schemaOf(definition.options) as {
      properties?: JsonSchema;
      required?: string[];
    };
    const full = `${plugin}/${definition.id}`;
    const ids = names.includes(definition.id) ? [definition.id, full] : [full];
    // A single model family need not be named.
    const needsUse = definition.impliedBy === undefined && (interface_ !== 'model' || names.length > 1);
    return {
      ...rest,
      description: definition.description,
      properties: { use: { enum: ids }, ...extra, ...properties },
      required: [...(needsUse ? ['use'] : []), ...(required ?? [])],
    };
  });
  const short = { enum: names, description: 'a component with its default options' };
  return { anyOf: [...(names.length > 0 ? [short] : []), ...components] };
}

/**
 * JSON Schema of a whole config with the plugins of a registry, for completion and checks in editors. `--set`, `extends`
 * and defaults fill what a file leaves out, so no section is required.
 */
export function configJsonSchema(registry: Registry): JsonSchema {
  const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items });
  const { required: _, ...train } = schemaOf(PlainSections.train);
  const evaluatorKeys = schemaOf(EvaluatorKeys).properties as JsonSchema;
  const engine = schemaOf(EngineSection);
  const word = { enum: [...ENGINE_MODES, 'tensorflow'], description: 'a mode or a target, with the other defaults' };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Graft experiment',
    type: 'object',
    properties: {
      extends: { anyOf: [{ type: 'string' }, list({ type: 'string' })], description: 'configs that this one changes' },
      name: schemaOf(PlainSections.name),
      seed: schemaOf(PlainSections.seed),
      plugins: list({ type: 'string', description: 'a package, or a file relative to this one' }),
      engine: { anyOf: [word, engine] },
      ...Object.fromEntries(COMPONENT_SECTIONS.map((section) => [section, reference(section)])),
      specialTokens: schemaOf(PlainSections.specialTokens),
      evaluators: list(reference('evaluator')),
      trackers: list(reference('tracker')),
      callbacks: list(reference('callback')),
      train,
      runs: schemaOf(PlainSections.runs),
      versions: { type: 'object', description: 'written into the config.json of a run' },
    },
    additionalProperties: false,
    $defs: Object.fromEntries(
      INTERFACES.map((name) => [name, definitionOf(registry, name, name === 'evaluator' ? evaluatorKeys : {})]),
    ),
  };
}
