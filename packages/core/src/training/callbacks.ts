import { PluginError } from '@graft/engine';
import { shortened } from '@graft/errors';
import type { Callback, CallbackContext, EndStatus, JsonValue, Model, Parameters, RunInfo } from '../interfaces';
import type { EvaluationRecord } from '../evaluation/evaluations';
import { widenedAll } from './parameter-storage';
import { lend } from '../components/lending';
import { failedAt } from '../util/training-error';
import type { Logger } from '../util/logger';
import { describeLost } from '../util/plain-json';
import { reasonOf } from '../util/reason';

/** A callback and its name in the config; a repeated name gets a number: `watch`, `watch#2`. */
export interface NamedCallback {
  readonly name: string;
  readonly callback: Callback;
}

/** Maximum length of a reason to stop, in UTF-16 units. */
const LONGEST_REASON = 300;

/** The parameters as float32 in the hands of a hook, made only if it looks at them. */
class Borrowed {
  private wide: Parameters | undefined;
  private loan: ReturnType<typeof lend> | undefined;

  constructor(
    private readonly stored: Parameters,
    private readonly borrower: string,
  ) {}

  get parameters(): Parameters {
    this.wide ??= widenedAll(this.stored);
    this.loan ??= lend(this.wide, this.borrower);
    return this.loan.lent;
  }

  end(): void {
    this.loan?.end();
    for (const [name, tensor] of Object.entries(this.wide ?? {})) if (tensor !== this.stored[name]) tensor.dispose();
  }
}

/** The run as hooks see it. */
export interface CallbacksContext {
  readonly run: RunInfo;
  readonly model: Model;
  /** Steps done. */
  readonly step: () => number;
  readonly logger: Logger;
}

/** All callbacks of a run as one: calls their hooks in the order of the config. */
export class Callbacks {
  private reason: string | undefined;

  /** Throws PluginError for an `every` that is not a number of steps. */
  constructor(
    private readonly callbacks: readonly NamedCallback[],
    private readonly context: CallbacksContext,
  ) {
    for (const { name, callback } of callbacks) {
      const { every = 1 } = callback;
      if (!Number.isSafeInteger(every) || every < 1)
        throw new PluginError(`Callback "${name}" has ${String(every)} as "every"; expected an integer from 1.`, {
          code: 'plugin.callback-every',
        });
    }
  }

  /** Why a callback wants the training to end; undefined if none does. */
  get stopReason(): string | undefined {
    return this.reason;
  }

  /** `states`: those from the checkpoint from which the run resumes. */
  async start(states: Readonly<Record<string, JsonValue>> = {}): Promise<void> {
    for (const { name, callback } of this.callbacks) {
      if (!Object.hasOwn(states, name)) continue;
      await this.call(name, 'restore', () => callback.restore?.(structuredClone(states[name])));
    }
    await this.all('onStart', (callback, context) => callback.onStart?.(context));
  }

  async step(metrics: Readonly<Record<string, number>>, parameters: Parameters, isLast: boolean): Promise<void> {
    await this.all('onStep', async (callback, context, where) => {
      if (!callback.onStep || (!isLast && context.step % (callback.every ?? 1) !== 0)) return;
      const borrowed = new Borrowed(parameters, where);
      try {
        await callback.onStep({
          ...context,
          metrics,
          get parameters() {
            return borrowed.parameters;
          },
        });
      } finally {
        borrowed.end();
      }
    });
  }

  async evaluated({ evaluator, metrics, seconds }: EvaluationRecord): Promise<void> {
    await this.all('onEvaluation', (callback, context) =>
      callback.onEvaluation?.({ ...context, evaluator, metrics, seconds }),
    );
  }

  async saved(folder: string): Promise<void> {
    await this.all('onCheckpoint', (callback, context) => callback.onCheckpoint?.({ ...context, folder }));
  }

  async end(status: Exclude<EndStatus, 'failed'>): Promise<void> {
    await this.all('onEnd', (callback, context) => callback.onEnd?.({ ...context, status }));
  }

  /** The error that ended the run is the one to report; only logs what a hook throws now. */
  async failed(): Promise<void> {
    for (const { name, callback } of this.callbacks) {
      try {
        await callback.onEnd?.({ ...this.contextOf(name), status: 'failed' });
      } catch (error) {
        this.context.logger.warn(`Callback "${name}" (onEnd of the failed run) failed: ${reasonOf(error)}`);
      }
    }
  }

  /** For a checkpoint; undefined if no callback has a state. Throws PluginError for a state that JSON would change. */
  states(): Record<string, JsonValue> | undefined {
    const states: [string, JsonValue][] = [];
    for (const { name, callback } of this.callbacks) {
      if (!callback.state) continue;
      let state: JsonValue;
      try {
        state = callback.state();
      } catch (error) {
        throw failedAt(this.where(name, 'state'), error);
      }
      const problem = describeLost(state);
      if (problem !== undefined)
        throw new PluginError(
          `${this.where(name, 'state')}: the state ${problem}, which a checkpoint cannot keep; expected plain JSON.`,
          { code: 'plugin.callback-state' },
        );
      states.push([name, state]);
    }
    return states.length === 0 ? undefined : Object.fromEntries(states);
  }

  private async all(
    hook: keyof Callback,
    call: (callback: Callback, context: CallbackContext, where: string) => Promise<void> | void,
  ): Promise<void> {
    for (const { name, callback } of this.callbacks)
      await this.call(name, hook, () => call(callback, this.contextOf(name), this.where(name, hook)));
  }

  private async call(name: string, hook: keyof Callback, call: () => Promise<void> | void): Promise<void> {
    try {
      await call();
    } catch (error) {
      throw failedAt(this.where(name, hook), error);
    }
  }

  private where(name: string, hook: keyof Callback): string {
    return `Callback "${name}" at step ${this.context.step()} (${hook})`;
  }

  private contextOf(name: string): CallbackContext {
    const { run, model, step } = this.context;
    return {
      run,
      model,
      step: step(),
      stop: (reason) => {
        this.reason ??= `${name}: ${shortened(String(reason), LONGEST_REASON)}`;
      },
    };
  }
}
