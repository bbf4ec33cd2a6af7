import type { SchemaElement } from 'hyparquet';

/**
 * The schema without what its columns mean, so that hyparquet gives their stored values: what it would make of them loses
 * digits, and other characters stand for bytes that are not UTF-8. Lists are kept as lists, and INT96 is always a time.
 */
export function storedSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map(({ converted_type, logical_type: _, ...element }) =>
    converted_type === 'LIST' && element.num_children ? { ...element, converted_type } : element,
  );
}

/** What hyparquet makes of INT96, which has no other meaning: nanoseconds since 1970. */
export const STORED_PARSERS = { timestampFromNanoseconds: (nanoseconds: bigint): unknown => nanoseconds };
