import { openEngine } from '@graft/engine';
import { z } from 'zod';
import { Services, createComponentFactory } from './components';
import { componentOption, loadPlugin } from './config';
import { silentLogger } from './logger';
import { defineComponent, definePlugin, type ComponentDefinition } from './plugin';
import { createRandom, type RandomStream } from './random';
import { Registry } from './registry';
import { COMPONENTS, createToken, LOGGER, OPTIONS, RANDOM } from './tokens';
import { inject, injectable, type ComponentFactory, type Schedule } from './index';

const schedule = (id: string, factor = 1): ComponentDefinition =>
  defineComponent({
    interface: 'schedule',
    id,
    description: 'a test',
    options: z.strictObject({ by: z.number().default(1) }),
    useFactory: ({ options }): Schedule => ({ factor: () => factor * options.by }),
  });

describe('Registry', () => {
  test('a plugin twice is an error that names both places', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [] }), 'package p');
    expect(() => registry.register(definePlugin({ name: 'p', components: [] }), '/x/p.js')).toThrow(
      'Plugin "p" is registered twice: by package p and by /x/p.js.',
    );
  });

  test('an id twice in one plugin is an error', () => {
    const plugin = definePlugin({ name: 'p', components: [schedule('a'), schedule('a')] });
    expect(() => new Registry().register(plugin, 'here')).toThrow(
      'Plugin "p" (here) has two components "a" for "schedule".',
    );
  });

  test('an id of two plugins needs the longer name', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('a')] }), 'package p');
    registry.register(definePlugin({ name: 'q', components: [schedule('a')] }), 'package q');
    expect(() => registry.find('schedule', 'a')).toThrow(
      'schedule "a" could be "p/a" (package p) or "q/a" (package q); use the longer name.',
    );
    expect(registry.find('schedule', 'q/a').plugin).toBe('q');
  });

  test('an unknown id lists the known ones and the nearest', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('cosine'), schedule('constant')] }), 'here');
    expect(() => registry.find('schedule', 'cosin')).toThrow(
      'There is no schedule "cosin"; known are "cosine", "constant"; did you mean "cosine" (from p)?',
    );
    expect(() => registry.find('dataset', 'cosine')).toThrow(
      'There is no dataset "cosine"; no loaded plugin has one; "cosine" is a component for "schedule"',
    );
  });

  test('a component for an interface that does not exist is refused', () => {
    const odd = { ...schedule('a'), interface: 'sheduler' as never };
    expect(() => new Registry().register({ name: 'p', components: [odd] }, 'here')).toThrow(
      /for the interface "sheduler"; known are model, initializer/,
    );
  });
});

test('a component has either a class or a factory', () => {
  expect(() => defineComponent({ interface: 'schedule', id: 'x', description: '', options: z.object({}) })).toThrow(
    'Component "x" should have either useClass or useFactory.',
  );
});

@injectable()
class Injected implements Schedule {
  constructor(
    @inject(OPTIONS) readonly options: { by: number; inner: { use: string } },
    @inject(RANDOM) readonly random: RandomStream,
    @inject(COMPONENTS) readonly components: ComponentFactory,
  ) {}
  factor(): number {
    return this.options.by;
  }
}

const MISSING = createToken<string>('MISSING');

@injectable()
class Needy implements Schedule {
  constructor(@inject(MISSING as symbol) readonly missing: string) {}
  factor(): number {
    return 1;
  }
}

@injectable()
class Throwing implements Schedule {
  constructor() {
    throw new Error('bad options together');
  }
  factor(): number {
    return 1;
  }
}

describe('components', () => {
  const strict = z.strictObject({});
  const plugin = definePlugin({
    name: 'test',
    components: [
      schedule('double', 2),
      defineComponent({
        interface: 'schedule',
        id: 'injected',
        description: '',
        options: z.strictObject({
          by: z.number().default(3),
          inner: componentOption('schedule').default({ use: 'double' }),
        }),
        useClass: Injected,
      }),
      defineComponent({ interface: 'schedule', id: 'needy', description: '', options: strict, useClass: Needy }),
      defineComponent({ interface: 'schedule', id: 'throwing', description: '', options: strict, useClass: Throwing }),
    ],
  });
  const factory = async (): Promise<ComponentFactory> => {
    const registry = new Registry();
    registry.register(plugin, 'here');
    return createComponentFactory(registry, {
      engine: await openEngine({ mode: 'portable' }),
      random: createRandom(0),
      logger: silentLogger(),
    });
  };

  test('get their options, a random stream of their own and the means to make others', async () => {
    const made = (await (await factory()).create('schedule', { use: 'injected', by: 5 })) as unknown as Injected;
    expect(made.factor()).toBe(5);
    expect(made.random.name).toBe('seed 0/schedule:injected');
    const inner = await made.components.create('schedule', made.options.inner);
    expect(inner.factor(0, 1)).toBe(2);
  });

  test('options are checked, with their names', async () => {
    await expect((await factory()).create('schedule', { use: 'double', by: 'x', bye: 1 })).rejects.toThrow(
      /The options of schedule "test\/double" are wrong: .*by: .*expected number/,
    );
  });

  test('a token that nobody provides is named with who asked', async () => {
    await expect((await factory()).create('schedule', { use: 'needy' })).rejects.toThrow(
      'schedule "test/needy" asks for MISSING, which nobody provides here; there are COMPONENTS, ENGINE, LOGGER, OPTIONS, RANDOM.',
    );
  });

  test('what a constructor throws is what one reads', async () => {
    await expect((await factory()).create('schedule', { use: 'throwing' })).rejects.toThrow(/bad options together/);
  });

  test('a token provided twice is an error with both providers, and provenance is kept', () => {
    const services = new Services().provide(LOGGER, silentLogger(), 'core');
    expect(() => services.provide(LOGGER, silentLogger(), 'a plugin')).toThrow(
      'LOGGER is provided by core already; a plugin may not replace it.',
    );
    expect(services.provenance).toEqual([['LOGGER', 'core']]);
  });
});

test('a package that is not installed, and a value that is no plugin, are told', async () => {
  await expect(loadPlugin('graft-plugin-that-is-not-there', ['/tmp'])).rejects.toThrow(
    'Plugin "graft-plugin-that-is-not-there" is not installed (looked from /tmp).',
  );
  await expect(loadPlugin('zod', [__dirname])).rejects.toThrow(
    '"zod" is no Graft plugin: it exports neither "plugin" nor a default with a name and components.',
  );
  await expect(loadPlugin('./nowhere.js', ['/tmp'])).rejects.toThrow('Plugin file /tmp/nowhere.js does not exist.');
});
