import { DataError, openEngine } from '@graft/engine';
import { z } from 'zod';
import { callComponent } from './calls';
import { createComponentFactory, Services } from './factory';
import type { ComponentFactory, Schedule } from '../interfaces';
import { componentOption, loadPlugin } from '../config';
import { inject, injectable } from '../index';
import { silentLogger } from '../util/logger';
import { defineComponent, definePlugin, type ComponentDefinition } from './plugin';
import { createRandom, type RandomStream } from '../random/streams';
import { Registry } from './registry';
import { COMPONENTS, createToken, LOGGER, OPTIONS, RANDOM, RUN } from './tokens';

const reject = (thrown: unknown): never => {
  throw thrown;
};

const schedule = (id: string, factor = 1): ComponentDefinition =>
  defineComponent({
    interface: 'schedule',
    id,
    description: 'a test',
    options: z.strictObject({ by: z.number().default(1) }),
    useFactory: ({ options }): Schedule => ({ factor: () => factor * options.by }),
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

@injectable()
class Half implements Schedule {
  constructor(
    @inject(OPTIONS) readonly options: object,
    readonly random: RandomStream,
  ) {}
  factor(): number {
    return this.random.uniform();
  }
}

class Bare implements Schedule {
  constructor(@inject(OPTIONS) readonly options: object) {}
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
        id: 'purposeful',
        description: '',
        options: z.strictObject({ inner: componentOption('schedule').optional() }),
        useFactory: async ({ options, components, purpose }) => ({
          factor: () => 1,
          purpose,
          inner: options.inner && (await components.create('schedule', options.inner)),
        }),
      }),
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
      defineComponent({ interface: 'schedule', id: 'bare', description: '', options: strict, useClass: Bare }),
      defineComponent({ interface: 'schedule', id: 'half', description: '', options: strict, useClass: Half }),
      defineComponent({
        interface: 'schedule',
        id: 'late',
        description: '',
        options: strict,
        useFactory: async ({ resolve, random }) => {
          await Promise.resolve();
          expect(resolve(RANDOM)).toBe(random);
          return { factor: () => random.uniform() };
        },
      }),
      defineComponent({
        interface: 'schedule',
        id: 'wanting',
        description: '',
        options: strict,
        useFactory: ({ resolve }) => ({ factor: () => Number(resolve(RUN).id) }),
      }),
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

  test('a component gets its options, a random stream of its own and the factory for other components', async () => {
    const made = (await (await factory()).create('schedule', { use: 'injected', by: 5 })) as unknown as Injected;
    expect(made.factor()).toBe(5);
    expect(made.random.name).toBe('seed 0/schedule:injected');
    const inner = await made.components.create('schedule', made.options.inner);
    expect(inner.factor(0, 1)).toBe(2);
  });

  test('a component and its nested components get their purpose', async () => {
    const spec = { use: 'purposeful', inner: { use: 'purposeful' } };
    const components = await factory();
    expect(await components.create('schedule', spec)).toMatchObject({
      purpose: 'training',
      inner: { purpose: 'training' },
    });
    expect(await components.forBatches().create('schedule', spec)).toMatchObject({
      purpose: 'batches',
      inner: { purpose: 'batches' },
    });
    expect(await components.forEvaluation().create('schedule', spec)).toMatchObject({
      purpose: 'evaluation',
      inner: { purpose: 'evaluation' },
    });
  });

  test('invalid options are rejected with their names', async () => {
    await expect((await factory()).create('schedule', { use: 'double', by: 'x', bye: 1 })).rejects.toThrow(
      /The options of schedule "test\/double" are wrong: .*by: .*expected number/,
    );
  });

  test('an unprovided token is reported with the component that requests it', async () => {
    await expect((await factory()).create('schedule', { use: 'needy' })).rejects.toThrow(
      'schedule "test/needy" asks for MISSING, which nobody provides here; there are COMPONENTS, ENGINE, LOGGER, OPTIONS, RANDOM, TASKS.',
    );
  });

  test('an error from a constructor keeps its message', async () => {
    await expect((await factory()).create('schedule', { use: 'throwing' })).rejects.toThrow(/bad options together/);
  });

  test('a class without its decorators is reported with the missing decorator', async () => {
    const components = await factory();
    await expect(components.create('schedule', { use: 'half' })).rejects.toThrow(
      'schedule "test/half" cannot be constructed: parameter 2 of Half\'s constructor lacks @inject(TOKEN).',
    );
    await expect(components.create('schedule', 'bare')).rejects.toThrow(
      'schedule "test/bare" cannot be constructed: its class lacks @injectable().',
    );
  });

  test('a factory may be asynchronous, and an error names the missing dependency by its token', async () => {
    const components = await factory();
    const made = await components.create('schedule', 'late');
    expect((await components.create('schedule', { use: 'test/late' })).factor(0, 1)).toBe(made.factor(0, 1));
    const run = await components.create('schedule', 'wanting');
    expect(() => run.factor(0, 1)).toThrow(
      'schedule "test/wanting" asks for RUN, which nobody provides here; there are COMPONENTS, ENGINE,',
    );
  });

  test('components of one id get random streams by their place, in any order of creation', async () => {
    const draw = async (places: (string | number)[]): Promise<Map<string | number, number>> => {
      const components = await factory();
      const made = new Map<string | number, number>();
      for (const place of places) made.set(place, (await components.create('schedule', 'late', place)).factor(0, 1));
      return made;
    };
    const [one, other] = [await draw([0, 1, 'x']), await draw(['x', 1, 0])];
    expect(new Set(one.values()).size).toBe(3);
    for (const [place, value] of one) expect(other.get(place)).toBe(value);
  });

  test('nested options are also checked outside a config', async () => {
    await expect((await factory()).create('schedule', { use: 'injected', inner: 'doubel' })).rejects.toThrow(
      'The options of schedule "test/injected" are wrong: inner.use: There is no schedule "doubel"',
    );
  });

  test.each<[string, () => unknown, string]>([
    ['throws an error', () => reject(new Error('no luck.')), 'could not be made: no luck.'],
    ['throws a text', () => reject('no luck'), 'could not be made: no luck.'],
    ['throws an object', () => reject({ code: 7 }), 'could not be made: it threw {"code":7}, which is not an error.'],
    ['throws null', () => reject(null), 'could not be made: it threw null, which is not an error.'],
    ['throws nothing', () => reject(undefined), 'could not be made: it threw nothing, which is not an error.'],
    ['rejects', () => Promise.reject(new Error('later')), 'could not be made: later.'],
    ['gives nothing', () => undefined, 'could not be made: its factory returned nothing; expected an object.'],
    [
      'lacks a method',
      () => ({ learningRate: 1, init: () => ({}) }),
      'lacks the function "update", which every optimizer has.',
    ],
    [
      'lacks a number',
      () => ({ learningRate: '1', init: () => ({}), update: () => ({}) }),
      'lacks the number "learningRate", which every optimizer has.',
    ],
  ])('a component is named in the error when its factory %s', async (_, useFactory, message) => {
    const registry = new Registry();
    const bad = { interface: 'optimizer', id: 'bad', description: '', options: strict, useFactory };
    registry.register({ name: 'odd', components: [bad as ComponentDefinition] }, 'here');
    const engine = await openEngine({ mode: 'portable' });
    const components = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
    await expect(components.create('optimizer', 'bad')).rejects.toMatchObject({
      name: 'PluginError',
      message: `optimizer "odd/bad" ${message}`,
    });
  });

  test('an error from a factory is kept as the cause, and a GraftError is passed on unchanged', async () => {
    const cause = new Error('no luck');
    const ours = new DataError('There is no file.', { exitCode: 2 });
    for (const [thrown, expected] of [
      [cause, { cause, code: 'plugin.failed' }],
      [ours, ours],
    ]) {
      const registry = new Registry();
      const bad = { ...schedule('bad'), useFactory: () => reject(thrown) } as ComponentDefinition;
      registry.register({ name: 'odd', components: [bad] }, 'here');
      const engine = await openEngine({ mode: 'portable' });
      const components = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
      await expect(components.create('schedule', 'bad')).rejects.toMatchObject(expected);
    }
  });

  test('an error from a method names the component that the factory created', async () => {
    const made = await (await factory()).create('schedule', 'double');
    const fail = (): never => reject('no luck');
    expect(() => callComponent(made, 'The schedule', 'factor', fail)).toThrow(
      'schedule "test/double": factor failed: no luck.',
    );
    expect(() => callComponent({}, 'The schedule', 'factor', fail)).toThrow('The schedule: factor failed: no luck.');
  });

  test('providing a token twice is an error that names both providers', () => {
    const services = new Services().provide(LOGGER, silentLogger(), 'core');
    expect(() => services.provide(LOGGER, silentLogger(), 'a plugin')).toThrow(
      'LOGGER is provided by core already; a plugin may not replace it.',
    );
    expect(services.provenance).toEqual([['LOGGER', 'core']]);
  });
});

test('a plugin that is not installed and a value that is not a plugin are reported', async () => {
  await expect(loadPlugin('graft-plugin-that-is-not-there', ['/tmp'])).rejects.toThrow(
    'Plugin "graft-plugin-that-is-not-there" is not installed (looked from /tmp).',
  );
  await expect(loadPlugin('zod', [__dirname])).rejects.toThrow(
    '"zod" is not a Graft plugin: it exports neither "plugin" nor a default with a name and components.',
  );
  await expect(loadPlugin('./nowhere.js', ['/tmp'])).rejects.toThrow('Plugin file /tmp/nowhere.js does not exist.');
});
