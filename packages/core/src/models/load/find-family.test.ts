import { z } from 'zod';
import { openEngine } from '@graft/engine';
import { createComponentFactory } from '../../components/factory';
import { defineComponent, definePlugin } from '../../components/plugin';
import { Registry } from '../../components/registry';
import type { ComponentFactory, Model } from '../../interfaces';
import { createRandom } from '../../random/streams';
import { silentLogger } from '../../util/logger';
import { findFamily } from './find-family';

const family = (plugin: string, modelTypes: readonly string[], options: z.ZodType = z.strictObject({})) =>
  definePlugin({
    name: plugin,
    components: [
      defineComponent({
        interface: 'model',
        id: 'own',
        description: 'a family',
        options,
        useFactory: () => ({ modelTypes, build: () => ({}) as Model }),
      }),
    ],
  });

async function open(
  ...plugins: ReturnType<typeof family>[]
): Promise<readonly [registry: Registry, components: ComponentFactory]> {
  const registry = new Registry();
  for (const plugin of plugins) registry.register(plugin, 'here');
  const engine = await openEngine({ mode: 'portable' });
  return [registry, createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() })];
}

test('the family is the one that names the model_type', async () => {
  const loaded = await open(family('p', ['one']), family('q', ['two', 'three']));
  expect(await findFamily(...loaded, { model_type: 'three' }, 'config.json')).toMatchObject({
    use: 'q/own',
    id: 'own',
    plugin: 'q',
  });
});

test('an unknown model_type lists the known ones with their plugins, and the nearest', async () => {
  const loaded = await open(family('p', ['prenorm']), family('q', ['two']));
  await expect(findFamily(...loaded, { model_type: 'prenrom' }, 'a/config.json')).rejects.toMatchObject({
    message:
      'a/config.json has the model_type "prenrom", which no loaded plugin reads; known are "prenorm" (p), "two" (q); did you mean "prenorm"?',
    code: 'family.unknown-type',
    exitCode: 2,
  });
});

test('two families for one model_type are both named', async () => {
  const loaded = await open(family('p', ['one']), family('q', ['one']));
  await expect(findFamily(...loaded, { model_type: 'one' }, 'a/config.json')).rejects.toMatchObject({
    message: 'a/config.json: several loaded families read the model_type "one": p/own and q/own.',
    code: 'family.ambiguous-type',
  });
});

test('a family that cannot be created without options hinders no other, and is named if none is found', async () => {
  const demanding = family('q', ['two'], z.strictObject({ size: z.number() }));
  const loaded = await open(family('p', ['one']), demanding);
  expect(await findFamily(...loaded, { model_type: 'one' }, 'config.json')).toMatchObject({ plugin: 'p' });
  await expect(findFamily(...loaded, { model_type: 'two' }, 'config.json')).rejects.toThrow(
    /q\/own could not be asked/,
  );
});
