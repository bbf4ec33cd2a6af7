import type { z } from 'zod';
import type { ComponentSpec, InterfaceName } from '../interfaces';
import type { Registry } from '../components/registry';
import { reasonOf } from '../util/reason';
import type { Finding } from './issues';
import { isObject } from '../util/objects';
import { show } from '../util/show';

/**
 * The registry against which nested components are checked. Schemas are created before any registry exists, and zod
 * passes no custom context to transforms; checking is synchronous, so a variable for its duration is enough.
 */
let checkingAgainst: Registry | undefined;

export function withRegistry<T>(registry: Registry, check: () => T): T {
  const outer = checkingAgainst;
  checkingAgainst = registry;
  try {
    return check();
  } finally {
    checkingAgainst = outer;
  }
}

/**
 * `'bytes'` as `{ use: 'bytes' }`, and a section without `use` with that of the component that its keys imply; anything
 * else without a name is left unchanged, to be reported.
 */
export function asSpec(value: unknown, interface_?: InterfaceName, registry?: Registry): unknown {
  if (typeof value === 'string') return { use: value };
  if (!interface_ || !isObject(value) || value.use !== undefined) return value;
  const use = registry?.implied(interface_, value);
  return use === undefined ? value : { ...value, use };
}

/** Checks a component section and fills its defaults; problems are added to zod's context with their paths. */
export function resolveComponent(
  interface_: InterfaceName,
  value: unknown,
  context: z.core.$RefinementCtx,
): ComponentSpec {
  const spec = asSpec(value, interface_, checkingAgainst) as ComponentSpec;
  const addIssue = (finding: Omit<Finding, 'path'>, path: PropertyKey[] = []): ComponentSpec => {
    context.issues.push({ code: 'custom', message: finding.message, path, input: value, params: { finding } });
    return spec;
  };
  const expect = (expected: string, got: unknown, path: PropertyKey[]): ComponentSpec =>
    addIssue({ message: `expected ${expected}, got ${show(got)}`, expected, got: show(got) }, path);
  const known = checkingAgainst?.names(interface_) ?? [];
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    return expect(`a component, e.g. { use: ${known[0] ?? '…'} }`, value, []);
  }
  if (typeof spec.use !== 'string') {
    const known = checkingAgainst?.names(interface_).join(', ');
    return expect(`the id of a component for "${interface_}"${known ? ` (known are ${known})` : ''}`, spec.use, [
      'use',
    ]);
  }
  // Outside of loading a config, the options have been checked already.
  if (!checkingAgainst) return spec;
  let found;
  try {
    found = checkingAgainst.find(interface_, spec.use);
  } catch (error) {
    const nearest = checkingAgainst.nearest(interface_, spec.use);
    return addIssue({ message: (error as Error).message, got: show(spec.use), nearest }, ['use']);
  }
  const { use, ...options } = spec;
  let parsed;
  try {
    parsed = found.definition.options.safeParse(options);
  } catch (error) {
    // A check that throws, or an asynchronous one.
    return addIssue({
      message: `the options of "${use}" cannot be checked: ${reasonOf(error).split('\n')[0]}`,
    });
  }
  if (!parsed.success) {
    for (const issue of parsed.error.issues)
      context.issues.push({ ...issue, input: value } as (typeof context.issues)[number]);
    return spec;
  }
  return { use, ...(parsed.data as object) };
}
