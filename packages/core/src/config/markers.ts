import { z } from 'zod';
import type { ComponentSpec } from '../components';
import type { InterfaceName } from '../plugin';
import { fixComponent } from './sections';

/** What the loader must know of a schema beyond what zod checks. */
export type Marker = { readonly kind: 'path' } | { readonly kind: 'component'; readonly interface: InterfaceName };

/** zod shares a schema's definition between copies (`describe`, `meta`), so the mark survives them. */
interface MarkedDefinition {
  graft?: Marker;
}

export function markerOf(schema: z.core.$ZodType): Marker | undefined {
  return (schema._zod.def as MarkedDefinition).graft;
}

function mark<S extends z.ZodType>(schema: S, marker: Marker): S {
  (schema._zod.def as MarkedDefinition).graft = marker;
  return schema;
}

/** A file or folder. A relative one belongs to the file that holds it, one from `--set` or a default to the working directory. */
export function pathOption(): z.ZodString {
  return mark(z.string().min(1), { kind: 'path' });
}

/** Another component as an option: `bytes`, or `{ use: huggingface, path: … }`. Its options are checked with it. */
export function componentOption(interface_: InterfaceName): z.ZodType<ComponentSpec> {
  const schema = z.unknown().transform((value, context) => fixComponent(interface_, value, context));
  return mark(schema as unknown as z.ZodType<ComponentSpec>, { kind: 'component', interface: interface_ });
}
