import { schemaOf, type JsonSchema } from '../config/json-schema';
import { SweepSection } from './schema';

/** JSON Schema of a sweep's file, for completion and checks in editors. Values of a config's keys are open. */
export function sweepJsonSchema(): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Graft sweep', ...schemaOf(SweepSection) };
}
