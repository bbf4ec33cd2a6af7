import { withRegistry } from '../config/sections';
import { walk, type Schema } from '../config/walk';
import type { ComponentSpec, InterfaceName } from '../interfaces';
import type { Registry } from './registry';

/** A component that creates others, which its options name. */
export interface Owner {
  readonly schema: Schema;
  /** Checked. */
  readonly options: unknown;
  /** Its own place in the config. */
  readonly place: () => string | undefined;
}

/** Interfaces whose only component of a run is a section of that name. */
const SECTIONS: readonly string[] = ['model', 'initializer', 'objective', 'optimizer', 'schedule', 'dataset'];

const sections = new WeakMap<object, string>();

/** Remembers the place of a section that is one of a list: `evaluators.0`. */
export function placeSection(spec: ComponentSpec, place: string): void {
  sections.set(spec, place);
}

/** Where the config names a component: `dataset.datasets.1.dataset`; its owner's place if the owner made up the spec. */
export function placeOf(
  interface_: InterfaceName,
  spec: ComponentSpec | string,
  owner: Owner | undefined,
  registry: Registry,
): string | undefined {
  if (!owner) {
    const known = typeof spec === 'string' ? undefined : sections.get(spec);
    return known ?? (SECTIONS.includes(interface_) ? interface_ : undefined);
  }
  const place = owner.place();
  if (place === undefined) return undefined;
  let found: string | undefined;
  withRegistry(registry, () =>
    walk(owner.schema, owner.options, place, {
      path: (value) => value,
      component: (_, value, at) => {
        if (value === spec) found = at;
        return value;
      },
    }),
  );
  return found ?? place;
}
