import type { z } from 'zod';
import type { InterfaceName } from '../interfaces';

/** Marks of a schema that the loader needs in addition to zod's checks. */
export type Marker =
  | { readonly kind: 'path' }
  | { readonly kind: 'secret' }
  | { readonly kind: 'component'; readonly interface: InterfaceName };

/** zod shares a schema's definition between copies (`describe`, `meta`), so the mark survives copying. */
interface MarkedDefinition {
  graft?: Marker;
}

export function markerOf(schema: z.core.$ZodType): Marker | undefined {
  return (schema._zod.def as MarkedDefinition).graft;
}

export function mark<S extends z.ZodType>(schema: S, marker: Marker): S {
  (schema._zod.def as MarkedDefinition).graft = marker;
  return schema;
}
