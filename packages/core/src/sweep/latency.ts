import { openEngine, tf, type Engine } from '@graft/engine';
import { createComponentFactory } from '../components/factory';
import type { LoadedExperiment } from '../config';
import { buildModel } from '../data/special-tokens';
import { FIELDS, type HostArray, type Model, type Parameters } from '../interfaces';
import { Generator } from '../models/generate/generate';
import { createRandom } from '../random/streams';
import { configFacts } from '../run/run-info';
import { silentLogger } from '../util/logger';

/** What `measureLatency` generates. */
export interface LatencyRequest {
  /** Tokens of the input: an encoder's source, or a decoder-only model's prompt. Default 128. */
  readonly sourceTokens?: number;
  /** Tokens that are generated after it. Default 32. */
  readonly newTokens?: number;
  /** Default: the one in the config, at its precision. */
  readonly engine?: Engine;
}

const SOURCE_TOKENS = 128;
const NEW_TOKENS = 32;
/** Calls that compile, and warm up what the portable engine runs in JavaScript. */
const WARM_UP_CALLS = 3;
/** Odd, so that one of them is the median. */
const CALLS = 7;

/**
 * Seconds in which the model of a config generates a text for one input, greedily: the median of seven calls after three. It needs no
 * weights, because the time does not depend on their values: every parameter is one small number.
 */
export async function measureLatency(
  { config, registry }: LoadedExperiment,
  { sourceTokens = SOURCE_TOKENS, newTokens = NEW_TOKENS, engine: given }: LatencyRequest = {},
): Promise<number> {
  const engine = given ?? (await openEngine({ ...config.engine, precision: config.train.precision }));
  const run = { name: config.name, id: 'latency', folder: config.runs, ...configFacts(config) };
  const random = createRandom(config.seed);
  const components = createComponentFactory(registry, { engine, random, logger: silentLogger(), run });
  const family = await components.create('model', config.model);
  const initializer = await components.create('initializer', config.initializer);
  const model = buildModel(family, await initializer.checkpointConfig(), { section: config.specialTokens });
  const parameters = smallParameters(model);
  const generator = new Generator(engine, model);
  try {
    const options = {
      fields: { [FIELDS.inputIds]: tokens(sourceTokens, model.specialTokens.start) },
      maxNewTokens: newTokens,
      // No row ends early.
      eos: [],
    };
    for (let call = 0; call < WARM_UP_CALLS; call++) await generator.generate(parameters, options);
    const seconds: number[] = [];
    for (let call = 0; call < CALLS; call++) {
      const began = performance.now();
      await generator.generate(parameters, options);
      seconds.push((performance.now() - began) / 1000);
    }
    return seconds.sort((a, b) => a - b)[CALLS >> 1];
  } finally {
    generator.dispose();
    tf.dispose(parameters);
  }
}

const SMALL = 0.01;

const smallParameters = ({ parameters }: Model): Parameters =>
  Object.fromEntries(parameters.map(({ name, shape }) => [name, tf.fill([...shape], SMALL)]));

const tokens = (count: number, id: number): HostArray => ({
  dtype: 'int32',
  shape: [1, count],
  values: new Int32Array(count).fill(id),
});
