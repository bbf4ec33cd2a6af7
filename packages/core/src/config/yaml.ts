import { CORE_SCHEMA, load, Type } from 'js-yaml';

const MERGE = new Type('tag:yaml.org,2002:merge', { kind: 'scalar', resolve: (data: unknown) => data === '<<' });

/** YAML's core types and `<<`. Without dates: `name: 2024-01-01` is a text, as JSON would have it. */
const SCHEMA = CORE_SCHEMA.extend({ implicit: [MERGE] });

/** Throws js-yaml's exception; its first line says what and where. */
export function parseYaml(text: string): unknown {
  return load(text, { schema: SCHEMA });
}
