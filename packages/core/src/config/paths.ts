import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import type { InterfaceName } from '../plugin';
import type { Registry } from '../registry';
import { markerOf } from './markers';
import { isObject, type Origins } from './merge';
import { asSpec } from './sections';

type Schema = z.core.$ZodType;

/** The parts of zod's definitions that the walk below goes through. */
interface Definition {
  type: string;
  innerType?: Schema;
  shape?: Record<string, Schema>;
  element?: Schema;
  valueType?: Schema;
  options?: readonly Schema[];
  in?: Schema;
  items?: readonly Schema[];
}

/**
 * Makes the relative paths in a config absolute, in place: walks the value along its schema, and where the schema says
 * `pathOption()` joins the folder that the value's origin names.
 */
export class PathResolver {
  constructor(
    private readonly registry: Registry,
    private readonly origins: Origins,
    private readonly workingFolder: string,
  ) {}

  /** The value to put in the place of `value`. */
  resolve(schema: Schema, value: unknown, path: string): unknown {
    const marker = markerOf(schema);
    if (marker?.kind === 'path') {
      if (typeof value !== 'string' || isAbsolute(value)) return value;
      return resolve(this.origins.get(path)?.folder ?? this.workingFolder, value);
    }
    if (marker?.kind === 'component') return this.resolveComponent(marker.interface, value, path);
    const definition = schema._zod.def as unknown as Definition;
    switch (definition.type) {
      case 'optional':
      case 'nullable':
      case 'default':
      case 'prefault':
      case 'readonly':
        return this.resolve(definition.innerType!, value, path);
      case 'pipe':
        return this.resolve(definition.in!, value, path);
      case 'object':
        if (isObject(value)) {
          for (const [key, inner] of Object.entries(definition.shape!)) {
            if (Object.hasOwn(value, key)) value[key] = this.resolve(inner, value[key], `${path}.${key}`);
          }
        }
        return value;
      case 'array':
        if (Array.isArray(value))
          return value.map((item, i) => this.resolve(definition.element!, item, `${path}.${i}`));
        return value;
      case 'record':
        if (isObject(value)) {
          for (const key of Object.keys(value))
            value[key] = this.resolve(definition.valueType!, value[key], `${path}.${key}`);
        }
        return value;
      case 'union': {
        // A union of a path and a list of paths, say: each alternative changes only what has its shape.
        let resolved = value;
        for (const option of definition.options!) resolved = this.resolve(option, resolved, path);
        return resolved;
      }
      default:
        return value;
    }
  }

  /** A component section: `use` decides which schema the rest follows. */
  resolveComponent(interface_: InterfaceName, value: unknown, path: string): unknown {
    const spec = asSpec(value);
    if (!isObject(spec) || typeof spec.use !== 'string') return value;
    let options: Schema;
    try {
      options = this.registry.find(interface_, spec.use).definition.options;
    } catch {
      return value; // Checking complains about it, with everything else.
    }
    return this.resolve(options, spec, path);
  }
}
