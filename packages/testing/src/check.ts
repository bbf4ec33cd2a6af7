import { GraftError, PluginError, type InterfaceName } from '@graft/core';
import { messageOf } from '@graft/core/internal';
import { openStrictEngine } from './engine/strict-engine';

/** One rule of an interface as a test. `run` is rejected with a ContractError if the component breaks the rule. */
export interface Check {
  /** The rule, as a sentence: the name of the test. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Creates the component under test: every check creates its own. */
export type Make<T> = () => T | Promise<T>;

/** A component broke a rule of its interface. `code` is `testing.contract`. */
export class ContractError extends GraftError {
  constructor(
    /** The rule, as `Check.name` has it. */
    readonly rule: string,
    found: string,
    /** Where the rule is documented. */
    readonly documentation: string,
    cause?: unknown,
  ) {
    super(`The rule "${rule}" is broken: ${found} The rule is documented at ${documentation}.`, {
      code: 'testing.contract',
      cause,
    });
  }
}

/** Ends a check: `found` is a sentence on what the component did. */
export type Broken = (found: string) => never;

/** Their checks make tensors, which need a backend. */
const COMPUTING: ReadonlySet<InterfaceName> = new Set([
  'model',
  'initializer',
  'objective',
  'optimizer',
  'evaluator',
  'callback',
]);

/** `initializer` is documented at `Initializer`, but `model` at `ModelFamily`. */
const TYPES: Partial<Record<InterfaceName, string>> = { model: 'ModelFamily' };

const typeOf = (component: InterfaceName): string =>
  TYPES[component] ?? component[0].toUpperCase() + component.slice(1);

/**
 * A check of a rule. `member`: the member of the interface that documents it,
 * or `Model.forward` of another one. What the component itself throws breaks the
 * rule too.
 */
export function check(
  component: InterfaceName,
  member: string,
  rule: string,
  test: (broken: Broken) => Promise<void> | void,
): Check {
  const place = member.includes('.') && !member.startsWith('[') ? member : `${typeOf(component)}.${member}`;
  const documentation = `${place} of @graft/core and in docs/plugins.md, "Testing a component"`;
  return {
    name: rule,
    run: async () => {
      const broken: Broken = (found) => {
        throw new ContractError(rule, found, documentation);
      };
      if (COMPUTING.has(component)) await openStrictEngine();
      try {
        await test(broken);
      } catch (error) {
        // A component that cannot be created has broken no rule: its options in the test are wrong.
        if (error instanceof ContractError || error instanceof PluginError) throw error;
        const what = messageOf(error).replace(/\.?$/, '.');
        throw new ContractError(rule, `the ${component} threw: ${what}`, documentation, error);
      }
    },
  };
}
