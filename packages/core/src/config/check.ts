import { isModelPath } from '@graft/checkpoint';
import { isAbsolute, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { ComponentSpec, InterfaceName } from '../interfaces';
import type { Registry } from '../components/registry';
import { isSecret } from '../secrets/secret';
import { hasRedactedUrl, MASK } from '../secrets/redact';
import { componentOption } from './options';
import { joinPath, type Origins } from './merge';
import { isObject, isPlainObject } from '../util/objects';
import { explainIssues, valueAt, type ConfigIssue, type Finding } from './issues';
import { NOTHING, show } from '../util/show';
import { asSpec, withRegistry } from './sections';
import { keysAt, walk, type Schema, type Visitor } from './walk';

/**
 * Checks parts of a config against their schemas, fills defaults and makes paths absolute: a relative path is resolved
 * against the file that contains it, one from `--set` or a default against the working folder. Collects all problems.
 */
export class Checker {
  readonly issues: ConfigIssue[] = [];

  constructor(
    private readonly registry: Registry,
    private readonly origins: Origins,
    private readonly workingFolder: string,
  ) {}

  addIssue(path: string, finding: Omit<Finding, 'path'>): void {
    const { expected, got, nearest } = finding;
    const replacedComponent = got === NOTHING ? this.origins.get(path)?.replacedComponent : undefined;
    const why =
      replacedComponent === undefined ? '' : `; naming another component dropped the options of "${replacedComponent}"`;
    const message = finding.message + why;
    if (this.issues.some((known) => known.path === path && known.message === message)) return;
    const source = this.origins.sourceOf(path);
    const parts = Object.entries({ expected, got, nearest }).filter(([, part]) => part !== undefined);
    this.issues.push({ source, path, message, ...Object.fromEntries(parts) });
  }

  expect(path: string, expected: string, value: unknown): void {
    this.addIssue(path, { message: `expected ${expected}, got ${show(value)}`, expected, got: show(value) });
  }

  /** The value parsed by `schema`; undefined after a problem. */
  plain<S extends z.ZodType>(
    schema: S,
    value: unknown,
    path: string,
    extraKeys: readonly string[] = [],
  ): z.output<S> | undefined {
    return withRegistry(this.registry, () => {
      const placed = walk(schema, value, path, this.writtenPaths);
      const parsed = this.parse(schema, placed, path, extraKeys);
      return parsed && (walk(schema, parsed.data, path, this.defaults) as z.output<S>);
    });
  }

  /** Undefined after a problem. */
  private parse<S extends z.ZodType>(
    schema: S,
    value: unknown,
    path: string,
    extraKeys: readonly string[],
  ): { readonly data: z.output<S> } | undefined {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed;
    const knownKeys = (at: readonly PropertyKey[]): string[] => [
      ...keysAt(schema, value, at, this.sectionOf),
      ...(at.length === 0 ? extraKeys : []),
    ];
    const findings = explainIssues(parsed.error.issues, walk(schema, value, path, this.hidden), knownKeys);
    const unset = findings.filter(
      ({ path: at, isUnknownKey }) =>
        !isUnknownKey && valueAt(value, at) === null && this.origins.isUnset([path, ...at.map(String)].join('.')),
    );
    if (unset.length === 0) {
      this.collect(findings, path);
      return undefined;
    }
    const left = unset.reduce((tree, finding) => without(tree, finding.path), value);
    return this.parse(schema, left, path, extraKeys);
  }

  /** A section that names a component. `extraKeys`: core's own keys that were removed from it, for suggestions. */
  component(interface_: InterfaceName, value: unknown, path: string, extraKeys: readonly string[] = []): ComponentSpec {
    const schema = componentOption(interface_);
    const before = this.issues.length;
    const spec = this.plain(schema, value, path, extraKeys);
    if (!spec || this.issues.length > before) return asSpec(value, interface_, this.registry) as ComponentSpec;
    const again = withRegistry(this.registry, () => schema.safeParse(spec));
    if (!again.success || !isDeepStrictEqual(again.data, spec)) {
      // A run's config.json is read again when the run is resumed.
      this.addIssue(path, {
        message: `the options of ${interface_} "${spec.use}" change when they are read a second time; its schema should accept what it returns`,
      });
    }
    this.checkJson(spec, path);
    return spec;
  }

  private collect(findings: readonly Finding[], path: string): void {
    for (const finding of findings) this.addIssue([path, ...finding.path.map(String)].join('.'), finding);
  }

  /** A config must not change when config.json is read again. */
  private checkJson(value: unknown, path: string): void {
    if (Array.isArray(value)) value.forEach((item, i) => this.checkJson(item, joinPath(path, i)));
    else if (isSecret(value)) return;
    else if (isObject(value) && isPlainObject(value))
      for (const [key, item] of Object.entries(value)) this.checkJson(item, joinPath(path, key));
    else if (typeof value === 'string' && hasRedactedUrl(value))
      this.addIssue(path, {
        message: `${MASK} stands for something secret that Graft did not write; give the whole value again, e.g. by --set`,
      });
    else if (
      value !== undefined &&
      value !== null &&
      !['string', 'boolean'].includes(typeof value) &&
      !Number.isFinite(value)
    )
      this.expect(path, 'a value that JSON can hold', value);
  }

  private readonly sectionOf = (interface_: InterfaceName, value: unknown): Schema | undefined => {
    const spec = asSpec(value, interface_, this.registry);
    try {
      return isObject(spec) && typeof spec.use === 'string'
        ? this.registry.find(interface_, spec.use).definition.options
        : undefined;
    } catch {
      return undefined; // Parsing reports it, together with everything else.
    }
  };

  /** For messages: secrets masked, whatever value is given for them. */
  private readonly hidden: Visitor = {
    path: (value) => value,
    secret: (value) => (value === undefined ? value : MASK),
    component: (interface_, value, at) => {
      const options = this.sectionOf(interface_, value);
      return options ? walk(options, asSpec(value, interface_, this.registry), at, this.hidden) : value;
    },
  };

  /** Before parsing: paths that were written explicitly. */
  private readonly writtenPaths: Visitor = {
    path: (value, at) => {
      if (typeof value !== 'string' || isElsewhere(value)) return value;
      return resolve(this.origins.get(at)?.folder ?? this.workingFolder, value);
    },
    secret: (value, at) => {
      const variable = typeof value === 'string' ? this.origins.variableOf(at) : undefined;
      // `${env:NAME}` as a whole secret is `{ env: NAME }`: the run's config.json keeps the reference.
      if (variable !== undefined) return { env: variable };
      return isObject(value) && typeof value.file === 'string' && value.file !== '' && Object.keys(value).length === 1
        ? { file: this.writtenPaths.path(value.file, joinPath(at, 'file')) }
        : value;
    },
    component: (interface_, value, at) => {
      const options = this.sectionOf(interface_, value);
      return options ? walk(options, asSpec(value, interface_, this.registry), at, this.writtenPaths) : value;
    },
  };

  /** After parsing: paths that are still relative came from defaults, and zod does not parse components in defaults. */
  private readonly defaults: Visitor = {
    path: (value) => (typeof value !== 'string' || isElsewhere(value) ? value : resolve(this.workingFolder, value)),
    component: (interface_, value, at) => {
      const parsed = componentOption(interface_).safeParse(value);
      if (!parsed.success) {
        const knownKeys = (path: readonly PropertyKey[]): string[] =>
          keysAt(componentOption(interface_), value, path, this.sectionOf);
        const shown = walk(componentOption(interface_), value, at, this.hidden);
        this.collect(explainIssues(parsed.error.issues, shown, knownKeys), at);
        return value;
      }
      const options = this.sectionOf(interface_, parsed.data);
      return options ? walk(options, parsed.data, at, this.defaults) : parsed.data;
    },
  };
}

/** Whether a path is not relative to a folder: empty, absolute, or the name of a model. */
const isElsewhere = (path: string): boolean => path === '' || isAbsolute(path) || isModelPath(path);

/** A copy without the key at a path. */
function without(tree: unknown, [key, ...rest]: readonly PropertyKey[]): unknown {
  if (Array.isArray(tree))
    return tree.map((item, i): unknown => (String(i) === String(key) ? without(item, rest) : item));
  if (!isObject(tree)) return tree;
  const { [String(key)]: inner, ...others } = tree;
  return rest.length === 0 ? others : { ...tree, [String(key)]: without(inner, rest) };
}
