import type { Registry } from '../components/registry';
import { schemaOf, type JsonSchema } from './json-schema';

const HEADER = `// Written by \`graft plugins --types\`. Write it again when plugins or their versions change.
// It tells defineExperiment of @graft/core which components there are, and their options.
import type { ComponentInput } from '@graft/core';

declare module '@graft/core' {
  interface ComponentOptions {
`;
const FOOTER = `  }
}
`;
const INDENT = '  ';

/**
 * A declaration file with the options of all components of a registry. `defineExperiment` checks configs against it if it is
 * among the files that TypeScript compiles.
 */
export function componentTypes(registry: Registry): string {
  const members = registry.list().flatMap(({ definition, plugin }) => {
    const { interface: interface_, id, description, options } = definition;
    const type = typeText(schemaOf(options), INDENT.repeat(2));
    // As in a config: an id that two plugins have is written with its plugin.
    const ids = registry.names(interface_).includes(id) ? [id, `${plugin}/${id}`] : [`${plugin}/${id}`];
    return ids.map(
      (name) =>
        `${comment(description, INDENT.repeat(2))}${INDENT.repeat(2)}${JSON.stringify(`${interface_}:${name}`)}: ${type};\n`,
    );
  });
  return `${HEADER}${members.join('')}${FOOTER}`;
}

/** TypeScript's type for values that match a JSON Schema; `unknown` for what it cannot express. */
function typeText(schema: unknown, indent: string): string {
  if (typeof schema !== 'object' || schema === null) return schema === false ? 'never' : 'unknown';
  const { $ref, anyOf, oneOf, allOf, ...own } = schema as JsonSchema;
  if (typeof $ref === 'string') return referenceText($ref);
  const parts = (anyOf ?? oneOf) as unknown[] | undefined;
  if (parts) return unionOf(parts.map((part) => typeText(part, indent)));
  if (Array.isArray(allOf)) return allOf.map((part) => `(${typeText(part, indent)})`).join(' & ');
  if ('const' in own) return JSON.stringify(own.const);
  if (Array.isArray(own.enum)) return unionOf(own.enum.map((value) => JSON.stringify(value)));
  const { type } = own;
  if (Array.isArray(type)) return unionOf(type.map((one) => typeText({ ...own, type: one as unknown }, indent)));
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return arrayText(own, indent);
    case 'object':
      return objectText(own, indent);
    default:
      return 'unknown';
  }
}

/** Components refer to their interface; a schema that contains itself has names of zod's, which mean nothing here. */
function referenceText(reference: string): string {
  const [, name] = /^#\/\$defs\/([a-z]+)$/.exec(reference) ?? [];
  return name === undefined ? 'unknown' : `ComponentInput<'${name}'>`;
}

function unionOf(parts: readonly string[]): string {
  const different = [...new Set(parts)];
  return different.includes('unknown') ? 'unknown' : different.join(' | ');
}

function arrayText({ items, prefixItems }: JsonSchema, indent: string): string {
  if (!Array.isArray(prefixItems)) return `readonly (${typeText(items ?? {}, indent)})[]`;
  const fixed = prefixItems.map((item) => typeText(item, indent));
  const rest = items === undefined || items === false ? [] : [`...(${typeText(items, indent)})[]`];
  return `readonly [${[...fixed, ...rest].join(', ')}]`;
}

function objectText(schema: JsonSchema, indent: string): string {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  const required = (schema.required ?? []) as readonly string[];
  const { additionalProperties } = schema;
  const others = typeof additionalProperties === 'object' ? typeText(additionalProperties, indent) : undefined;
  if (properties.length === 0)
    return others === undefined ? 'Readonly<Record<string, never>>' : `Readonly<Record<string, ${others}>>`;
  const inner = indent + INDENT;
  const lines = properties.map(([key, value]) => {
    const name = /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
    return `${comment(descriptionOf(value), inner)}${inner}readonly ${name}${required.includes(key) ? '' : '?'}: ${typeText(value, inner)};\n`;
  });
  const rest = others === undefined ? '' : `${inner}readonly [key: string]: unknown;\n`;
  return `{\n${lines.join('')}${rest}${indent}}`;
}

/** With the default, which a type does not show. */
function descriptionOf(schema: JsonSchema): string | undefined {
  const texts = [
    typeof schema.description === 'string' ? schema.description : undefined,
    'default' in schema ? `Default: ${JSON.stringify(schema.default)}` : undefined,
  ];
  const known = texts.filter((text) => text !== undefined);
  return known.length > 0 ? known.join('. ') : undefined;
}

function comment(text: unknown, indent: string): string {
  return typeof text === 'string' && text !== ''
    ? `${indent}/** ${text.replaceAll('*/', '*\\/').replaceAll('\n', ' ')} */\n`
    : '';
}
