/** What one plugin provides and another asks for, by token. */
import { GraftError, openEngine } from '@graft/engine';
import { failureOf } from '@graft/test-support';
import { z } from 'zod';
import { inject, injectable, type Schedule } from '../index';
import { createRandom } from '../random/streams';
import { silentLogger } from '../util/logger';
import { createComponentFactory } from './factory';
import { defineComponent, definePlugin, provide, type Plugin, type Provision } from './plugin';
import { Registry } from './registry';
import { createToken } from './tokens';

interface Curve {
  at(step: number): number;
}

const CURVE = createToken<Curve>('curves/curve');

const curves = (made: string[] = []): Plugin =>
  definePlugin({
    name: 'curves',
    provides: [
      provide(CURVE, {
        description: 'a curve of factors',
        useFactory: ({ engine }) => {
          made.push(engine.backend);
          return { at: (step) => 1 / (1 + step) };
        },
      }),
    ],
    components: [],
  });

@injectable()
class ByClass implements Schedule {
  constructor(@inject(CURVE) private readonly curve: Curve) {}
  factor(step: number): number {
    return this.curve.at(step);
  }
}

const schedules = definePlugin({
  name: 'schedules',
  components: [
    defineComponent({
      interface: 'schedule',
      id: 'by-class',
      description: 'a test',
      options: z.strictObject({}),
      useClass: ByClass,
    }),
    defineComponent({
      interface: 'schedule',
      id: 'by-factory',
      description: 'a test',
      options: z.strictObject({ times: z.number().default(2) }),
      // The same name is the same token: this plugin need not import the other.
      useFactory: ({ options, resolve }): Schedule => {
        const curve = resolve(createToken<Curve>('curves/curve'));
        return { factor: (step) => options.times * curve.at(step) };
      },
    }),
  ],
});

async function create(id: string, ...plugins: readonly Plugin[]): Promise<Schedule[]> {
  const registry = new Registry();
  for (const plugin of plugins) registry.register(plugin, `package ${plugin.name}`);
  const services = { engine: await openEngine({ mode: 'portable' }), random: createRandom(0), logger: silentLogger() };
  const factory = createComponentFactory(registry, services);
  return [await factory.create('schedule', id), await factory.create('schedule', id)];
}

const providing = (name: string, provision: Partial<Provision>): Plugin =>
  definePlugin({
    name,
    provides: [{ token: CURVE, description: '', useFactory: () => ({ at: () => 1 }), ...provision }],
    components: [],
  });

describe('what a plugin provides', () => {
  it.each([
    ['by-class', 0.5],
    ['by-factory', 1],
  ])('another plugin receives it: %s', async (id, factor) => {
    const made: string[] = [];
    // In either order of registration, and made once for all components of a run.
    for (const plugins of [
      [schedules, curves(made)],
      [curves(made), schedules],
    ]) {
      const [first] = await create(id, ...plugins);
      expect(first.factor(1, 10)).toBe(factor);
    }
    expect(made).toHaveLength(2);
  });

  it('a token that no loaded plugin provides is reported with the component and those that exist', async () => {
    const error = await failureOf(create('by-factory', schedules));
    expect(error).toMatchObject({ code: 'plugin.missing-dependency' });
    expect(error.message).toBe(
      'schedule "schedules/by-factory" asks for curves/curve, which nobody provides here; there are COMPONENTS, ENGINE, LOGGER, OPTIONS, RANDOM, TASKS.',
    );
  });

  it('two plugins may not provide the same token, and the error names both', async () => {
    const error = await failureOf(create('by-class', curves(), providing('other', {}), schedules));
    expect(error).toMatchObject({ code: 'plugin.duplicate-token' });
    expect(error.message).toBe(
      'Plugin "other" (package other) provides curves/curve, which is provided by plugin "curves" (package curves) already.',
    );
  });

  it('a failure to make it names the plugin that provides it', async () => {
    const useFactory = (): never => {
      throw new Error('no curve');
    };
    const error = await failureOf(create('by-class', providing('broken', { useFactory }), schedules));
    expect(error).toMatchObject({ code: 'plugin.failed' });
    expect(error.message).toContain('plugin "broken" (package broken) could not provide curves/curve: no curve.');
  });

  it('a token that needs itself is an error, not endless recursion', async () => {
    const circular = providing('circular', { useFactory: ({ resolve }) => resolve(CURVE) });
    expect((await failureOf(create('by-class', circular, schedules))).code).toBe('plugin.token-circle');
  });

  it.each([[null], [{}], [{ token: 'curve', useFactory: () => 1 }], [{ token: CURVE }]])(
    'a provision without a token and a factory is rejected: %j',
    async (provision) => {
      const plugin = { name: 'wrong', provides: [provision as unknown as Provision], components: [] };
      expect((await failureOf(create('by-class', plugin, schedules))).code).toBe('plugin.provision');
    },
  );
});

describe('the versions of Graft that a plugin requires', () => {
  const registered = (requires: unknown): (() => void) => {
    const plugin = definePlugin({ name: 'newer', requires: requires as string, components: [] });
    return () => new Registry().register(plugin, 'package newer');
  };

  it.each([[undefined], ['*'], ['>=0.1']])('%p includes this one', (requires) => {
    expect(registered(requires)).not.toThrow();
  });

  it('a plugin for a newer Graft is rejected with both versions and the command that updates', () => {
    expect(registered('^99.1')).toThrow(
      expect.objectContaining({
        code: 'plugin.requires',
        message: expect.stringMatching(
          /^Plugin "newer" \(package newer\) requires Graft \^99\.1, but this is Graft \d+\.\d+\.\d+\.$/,
        ) as string,
        hint: expect.stringContaining("npm install '@graft/cli@^99.1'") as string,
      }),
    );
  });

  it.each([['banana'], [3], ['']])('%p is not a range', (requires) => {
    expect(registered(requires)).toThrow(GraftError);
  });
});

/** Checked by the compiler: each line with an error that is expected would fail the build without one. */
export const typed = (): unknown[] => [
  // @ts-expect-error -- a factory and a class
  defineComponent({
    interface: 'schedule',
    id: 'both',
    description: '',
    options: z.strictObject({}),
    useFactory: () => ({ factor: () => 1 }),
    useClass: ByClass,
  }),
  // @ts-expect-error -- neither a factory nor a class
  defineComponent({ interface: 'schedule', id: 'neither', description: '', options: z.strictObject({}) }),
  defineComponent({
    interface: 'schedule',
    id: 'typed-options',
    description: '',
    options: z.strictObject({ by: z.number().default(1) }),
    // @ts-expect-error -- no option is called so
    useFactory: ({ options }) => ({ factor: () => options.other }),
  }),
  defineComponent({
    interface: 'schedule',
    id: 'wrong-interface',
    description: '',
    options: z.strictObject({}),
    // @ts-expect-error -- an evaluator is not a schedule
    useFactory: () => ({ evaluate: async () => ({}) }),
  }),
  // @ts-expect-error -- not the token's type
  provide(CURVE, { description: '', useFactory: () => ({ at: () => 'text' }) }),
];
