import { PluginError, tf } from '@graft/engine';
import type { Parameters } from '../interfaces';

/** A tensor in the hands of a component, which may only read it. */
interface Loan {
  /** Of the component: `optimizer "my-plugin/lion"`. */
  readonly borrower: string;
  /** Of the parameter. */
  readonly name: string;
}

/** The loans of each tensor, of which the last is that of the innermost component. */
const loans = new Map<tf.Tensor, Loan[]>();

/**
 * Parameters that a component may read, until `end` is called. Where it disposes one or changes the record, it gets a
 * PluginError that names it: otherwise the run would fail later, in somebody else's code.
 */
export function lend(
  parameters: Parameters,
  borrower: string,
): { readonly lent: Parameters; readonly end: () => void } {
  guardDisposal();
  const own = Object.entries(parameters).map(([name, tensor]) => ({ tensor, loan: { borrower, name } }));
  for (const { tensor, loan } of own) {
    const before = loans.get(tensor);
    if (before) before.push(loan);
    else loans.set(tensor, [loan]);
  }
  return {
    lent: readOnly(parameters, borrower),
    end: () => {
      for (const { tensor, loan } of own) {
        const left = (loans.get(tensor) ?? []).filter((other) => other !== loan);
        if (left.length > 0) loans.set(tensor, left);
        else loans.delete(tensor);
      }
    },
  };
}

/** Lends the parameters for one call, which is not async. */
export function lending<T>(parameters: Parameters, borrower: string, call: (lent: Parameters) => T): T {
  const { lent, end } = lend(parameters, borrower);
  try {
    return call(lent);
  } finally {
    end();
  }
}

/** A copy of the record that rejects changes, also in code without `use strict`, where a frozen object ignores them. */
function readOnly(parameters: Parameters, borrower: string): Parameters {
  const refuse = (did: (own: boolean) => string) => (target: object, name: string | symbol) => {
    throw new PluginError(`${borrower} ${did(Object.hasOwn(target, name))} ${what(String(name))}.`, {
      code: 'plugin.parameters',
      hint: 'Parameters are read-only. Work on a copy of the record: `{ ...parameters }`.',
    });
  };
  const write = refuse((own) => (own ? 'overwrites' : 'adds'));
  return new Proxy<Parameters>(
    { ...parameters },
    { set: write, defineProperty: write, deleteProperty: refuse(() => 'deletes') },
  );
}

const what = (name: string): string => `the parameter "${name}", which belongs to the run`;

let guarded = false;

/** tfjs disposes tensors of any origin with this method. */
function guardDisposal(): void {
  if (guarded) return;
  guarded = true;
  const own = Reflect.get(tf.Tensor.prototype, 'dispose') as (this: tf.Tensor) => void;
  tf.Tensor.prototype.dispose = function (this: tf.Tensor): void {
    const loan = loans.size === 0 ? undefined : loans.get(this)?.at(-1);
    if (!loan) return own.call(this);
    throw new PluginError(`${loan.borrower} disposes ${what(loan.name)}.`, {
      code: 'plugin.parameters',
      hint: 'Dispose only the tensors that the component makes; `tf.tidy` disposes exactly those.',
    });
  };
}
