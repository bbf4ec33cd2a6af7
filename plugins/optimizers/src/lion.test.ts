import { openEngine, tf, type Engine } from '@graft/engine';
import { follow, leavesAlone, norm, SHAPES, type ReferenceStep } from '../test-support/reference-steps';
import { Lion, lionOptions, type ResolvedLionOptions } from './lion';

const options = (given: object): ResolvedLionOptions => lionOptions.parse({ learningRate: 0.01, ...given });

function reference(o: ResolvedLionOptions, decaying: readonly string[]): ReferenceStep {
  const [beta1, beta2] = o.betas;
  const m: Record<string, number[]> = {};
  return (parameters, gradients, _, rate) => {
    const clip = o.clipNorm === undefined ? 1 : Math.min(1, o.clipNorm / (norm(gradients) + 1e-6));
    return Object.fromEntries(
      Object.entries(parameters).map(([name, values]) => {
        const before = m[name] ?? values.map(() => 0);
        const g = gradients[name].map((x) => x * clip);
        m[name] = before.map((x, i) => beta2 * x + (1 - beta2) * g[i]);
        const keep = decaying.includes(name) ? 1 - rate * o.weightDecay : 1;
        return [name, values.map((p, i) => p * keep - rate * Math.sign(beta1 * before[i] + (1 - beta1) * g[i]))];
      }),
    );
  };
}

describe.each(['portable', 'auto'] as const)('lion, engine mode %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });

  it.each<[string, object, string[]]>([
    ['defaults', {}, []],
    ['no momentum', { betas: [0, 0] }, []],
    ['clipping', { clipNorm: 0.5 }, []],
    ['weight decay, not of vectors', { weightDecay: 0.3 }, ['layer.weight', 'embed_tokens.weight']],
    ['weight decay of vectors too', { weightDecay: 0.3, decayVectors: true }, Object.keys(SHAPES)],
    ['weight decay with exceptions by name', { weightDecay: 0.3, noDecay: ['embed*'] }, ['layer.weight']],
  ])('ten steps agree with double precision: %s', (_, given, decaying) => {
    const o = options(given);
    follow(engine, new Lion(o), reference(o, decaying));
  });
});

describe('lion', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('a parameter without a gradient is unchanged', () => leavesAlone(new Lion(options({ weightDecay: 1 }))));

  it('the state has one number per parameter', () => {
    const state = new Lion(options({})).init({ a: tf.zeros([2, 3]) });
    expect(Object.entries(state).map(([name, { shape }]) => [name, shape])).toEqual([['lion.m/a', [2, 3]]]);
  });

  it.each([{ learningRate: 0 }, { betas: [1, 0.9] }, { clipNorm: -1 }, { epsilon: 1 }])('%j is refused', (given) => {
    expect(lionOptions.safeParse({ learningRate: 1, ...given }).success).toBe(false);
  });
});
