import { listed } from '@graft/errors';
import { TrainingError } from '../util/training-error';

/** For one loss: which parameters train, and which of them get no gradient. */
export interface GradientReport {
  readonly trained: readonly string[];
  readonly unreached: readonly string[];
  /** The part of the objective to which the loss belongs. */
  readonly variant?: string;
}

const LISTED_NAMES = 3;

/**
 * Checks each loss before its first step: `warn` receives a sentence about parameters that train and on which the loss
 * does not depend. Throws TrainingError if it depends on none of them.
 */
export class GradientCheck {
  /** Earlier warnings, by the part of the objective. */
  private readonly warned = new Map<string | undefined, Set<string>>();

  /** `objective`: its name, at the beginning of a sentence. */
  constructor(
    private readonly objective: string,
    private readonly warn: (message: string) => void,
  ) {}

  check({ trained, unreached, variant }: GradientReport): void {
    if (unreached.length === 0) return;
    const loss = `${this.objective}${variant === undefined ? '' : `, part "${variant}"`}: the loss`;
    if (unreached.length === trained.length) {
      throw new TrainingError(
        `${loss} depends on none of the ${trained.length} parameters that train, so that there is nothing to learn.`,
        {
          code: 'training.no-gradient',
          exitCode: 2,
          hint: 'A loss is made of the parameters that it is given, by operations with a gradient: values read on the host, whole numbers, comparisons and argMax have none.',
        },
      );
    }
    const warned = this.warned.get(variant) ?? new Set();
    this.warned.set(variant, warned);
    const names = unreached.filter((name) => !warned.has(name));
    if (names.length === 0) return;
    for (const name of names) warned.add(name);
    this.warn(
      `${loss} does not depend on ${names.length} of the ${trained.length} parameters that train (${listed(names, LISTED_NAMES)}): they have no gradient, and change by weight decay at most.`,
    );
  }
}
