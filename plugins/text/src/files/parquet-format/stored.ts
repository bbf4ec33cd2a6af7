import type { SchemaElement } from 'hyparquet';

/**
 * The schema without the meaning of its columns, so that hyparquet returns their stored values: its own conversion
 * loses digits, and replaces bytes that are not UTF-8. Lists remain lists, and INT96 is always a time.
 */
export function storedSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map(({ converted_type, logical_type: _, ...element }) =>
    converted_type === 'LIST' && element.num_children ? { ...element, converted_type } : element,
  );
}

/** hyparquet's conversion of INT96, which has no other meaning: nanoseconds since 1970. */
export const STORED_PARSERS = { timestampFromNanoseconds: (nanoseconds: bigint): unknown => nanoseconds };
