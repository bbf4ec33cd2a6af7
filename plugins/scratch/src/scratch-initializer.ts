import {
  inject,
  injectable,
  OPTIONS,
  parseOptions,
  type Initializer,
  type Model,
  type RandomStream,
} from '@graft/core';
import { random as draws, tf } from '@graft/engine';
import { z } from 'zod';

/** The options of the initializer `scratch`. */
export const scratchOptions = z.strictObject({
  std: z
    .number()
    .positive()
    .default(0.02)
    .describe('Standard deviation of matrices and embeddings; norms start at gain 1.'),
});

/** What a config or code may write. */
export type ScratchOptions = z.input<typeof scratchOptions>;
/** The same with every default filled in. */
export type ResolvedScratchOptions = z.output<typeof scratchOptions>;

/**
 * Random parameters for any model: normal numbers, and zeros or ones where the model requests them (biases and norms). The paper does not state the standard deviation; 0.02 is the published configurations' own.
 *
 * Every parameter's numbers depend only on the stream and its name, so that adding a layer changes no other.
 */
@injectable()
export class ScratchInitializer implements Initializer {
  private readonly options: ResolvedScratchOptions;

  constructor(@inject(OPTIONS) options: ScratchOptions = {}) {
    this.options = parseOptions(scratchOptions, options, 'ScratchInitializer');
  }

  /** Only the config's `model:` section determines the model. */
  checkpointConfig(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *parameters(model: Model, random: RandomStream): AsyncGenerator<readonly [string, tf.Tensor]> {
    for (const { name, shape, initial } of model.parameters) {
      if (initial !== 'normal') {
        yield [name, initial === 'ones' ? tf.ones([...shape]) : tf.zeros([...shape])];
        continue;
      }
      const key = draws.key(random.fork(name).key());
      try {
        yield [name, draws.normal(key, shape, 0, this.options.std)];
      } finally {
        key.dispose();
      }
    }
  }
}
