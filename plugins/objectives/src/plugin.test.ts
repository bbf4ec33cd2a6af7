import {
  createComponentFactory,
  createRandom,
  definePlugin,
  defineComponent,
  Registry,
  silentLogger,
  type ComponentFactory,
  type Dataset,
  type ComponentSpec,
} from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { z } from 'zod';
import { fakeModel, int32 } from '../test-support/fake-model';
import { plugin } from './index';

function sentences(): Dataset {
  let done = false;
  return {
    kind: 'examples',
    fields: [{ name: 'tokens', dtype: 'int32', rank: 1 }],
    position: () => done,
    restore: (position) => Promise.resolve(void (done = position as boolean)),
    async *[Symbol.asyncIterator]() {
      if (done) return;
      done = true;
      yield await Promise.resolve({ tokens: int32([3, 4, 5]) });
    },
  };
}

async function factory(trainingObjective?: ComponentSpec): Promise<ComponentFactory> {
  const registry = new Registry();
  registry.register(plugin, 'here');
  const dataset = defineComponent({
    interface: 'dataset',
    id: 'sentences',
    description: 'one',
    options: z.strictObject({}),
    useFactory: sentences,
  });
  registry.register(definePlugin({ name: 'sentences', components: [dataset] }), 'here');
  return createComponentFactory(registry, {
    engine: await openEngine({ mode: 'portable' }),
    random: createRandom(0),
    logger: silentLogger(),
    run: trainingObjective && { name: 'n', id: 'i', folder: '.', config: {}, trainingObjective },
  });
}

const spec = { use: 'loss', dataset: { use: 'sentences' } };
const measure = async (components: ComponentFactory, options: object = {}): Promise<Record<string, number>> => {
  const evaluator = await components.create('evaluator', { ...spec, ...options });
  return evaluator.evaluate({
    model: fakeModel('decoder-only'),
    parameters: { table: tf.zeros([12, 12]) },
    step: 0,
    random: createRandom(0),
  });
};

it("the evaluator loss uses the run's objective unless another is configured", async () => {
  const components = await factory({ use: 'causal-lm' });
  expect((await measure(components)).loss).toBeCloseTo(Math.log(12), 5);
  await expect(measure(components, { objective: { use: 'prefix-lm' } })).rejects.toThrow('this model is decoder-only');
});

it('the evaluator loss leaves out teachers, also in a mixture', async () => {
  const taught = { use: 'prefix-lm', distillation: { teacher: 'nowhere' } };
  const mixture = { use: 'mixture', objectives: [{ objective: taught }] };
  for (const objective of [taught, mixture]) {
    const components = await factory(objective);
    // The teacher's folder does not exist: whoever loads it fails.
    await expect(components.create('objective', objective)).rejects.toThrow();
    await expect(measure(components)).rejects.toThrow('this model is decoder-only');
  }
});

it('the evaluator loss needs an objective outside a run', async () => {
  await expect(measure(await factory())).rejects.toThrow(
    'names no objective, and the config has none that it could measure.',
  );
});

it('unknown options are refused', async () => {
  await expect((await factory()).create('objective', { use: 'seq2seq', maxSource: 3 })).rejects.toThrow('maxSource');
});
