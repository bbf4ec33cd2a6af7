import { z } from 'zod';
import { defineComponent, definePlugin, type ComponentDefinition } from './plugin';
import { Registry } from './registry';
import type { Schedule } from '../interfaces';

const schedule = (id: string, factor = 1): ComponentDefinition =>
  defineComponent({
    interface: 'schedule',
    id,
    description: 'a test',
    options: z.strictObject({ by: z.number().default(1) }),
    useFactory: ({ options }): Schedule => ({ factor: () => factor * options.by }),
  });

describe('Registry', () => {
  test('registering a plugin twice is an error that names both origins', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [] }), 'package p');
    expect(() => registry.register(definePlugin({ name: 'p', components: [] }), '/x/p.js')).toThrow(
      'Plugin "p" is registered twice: by package p and by /x/p.js.',
    );
  });

  test('a section without `use` names the component that one of its keys implies, which only one component may be', () => {
    const implied = (id: string): ComponentDefinition => ({ ...schedule(id), impliedBy: ['by'] });
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('a'), implied('b')] }), 'package p');
    expect([registry.implied('schedule', { by: 2 }), registry.implied('schedule', {})]).toEqual(['b', undefined]);
    expect(() => registry.register(definePlugin({ name: 'q', components: [implied('c')] }), 'package q')).toThrow(
      'Plugin "q" (package q) has a component "c" that the key "by" implies, as it does "b" already.',
    );
  });

  test('two components of one id in one plugin are an error', () => {
    const plugin = definePlugin({ name: 'p', components: [schedule('a'), schedule('a')] });
    expect(() => new Registry().register(plugin, 'here')).toThrow(
      'Plugin "p" (here) has two components "a" for "schedule".',
    );
  });

  test("an id that two plugins share must be qualified with the plugin's name", () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('a')] }), 'package p');
    registry.register(definePlugin({ name: 'q', components: [schedule('a')] }), 'package q');
    expect(() => registry.find('schedule', 'a')).toThrow(
      'schedule "a" could be "p/a" (package p) or "q/a" (package q); use the longer name.',
    );
    expect(registry.find('schedule', 'q/a').plugin).toBe('q');
  });

  test('an unknown id is reported with the known ids and the nearest one', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('cosine'), schedule('constant')] }), 'here');
    expect(() => registry.find('schedule', 'cosin')).toThrow(
      'There is no schedule "cosin"; known are "cosine", "constant"; did you mean "cosine" (from p)?',
    );
    expect(() => registry.find('dataset', 'cosine')).toThrow(
      'There is no dataset "cosine"; no loaded plugin has one; "cosine" is a component for "schedule"',
    );
  });

  test('the qualified name is suggested where the bare id is ambiguous or the plugin is mistyped', () => {
    const registry = new Registry();
    registry.register(definePlugin({ name: 'p', components: [schedule('a'), schedule('linear')] }), 'package p');
    registry.register(definePlugin({ name: 'q', components: [schedule('a')] }), 'package q');
    expect(registry.names('schedule')).toEqual(['p/a', 'linear', 'q/a']);
    expect(() => registry.find('schedule', 'r/linear')).toThrow('did you mean "p/linear" (from p)?');
    expect(registry.originOf('q')).toBe('package q');
  });

  test.each<[string, object, string]>([
    ['id', { id: 'a/b' }, 'a component with the id "a/b"; an id is a word without "/"'],
    ['id', { id: undefined }, 'a component with the id undefined; an id is a word without "/"'],
    ['maker', { useClass: class {} }, 'a component "a" without exactly one of useClass and useFactory'],
    ['maker', { useFactory: undefined }, 'a component "a" without exactly one of useClass and useFactory'],
    ['maker', { useFactory: 'text' }, 'a component "a" whose useFactory is "text", no function'],
    ['maker', { useFactory: undefined, useClass: 3 }, 'a component "a" whose useClass is 3, no class'],
    ['schema', { options: undefined }, 'a component "a" whose options are not a schema of zod 4'],
    ['schema', { options: { by: 3 } }, 'a component "a" whose options are not a schema of zod 4'],
    [
      'option',
      { options: z.strictObject({ use: z.string() }) },
      'a component "a" with an option "use", a key that core keeps for itself',
    ],
    [
      'option',
      { interface: 'evaluator', options: z.strictObject({ every: z.number() }) },
      'a component "a" with an option "every", a key that core keeps for itself',
    ],
  ])('a component with an invalid %s is rejected: %j', (_, wrong, message) => {
    const odd = { ...schedule('a'), ...wrong } as ComponentDefinition;
    const registry = new Registry();
    expect(() => registry.register({ name: 'p', components: [odd] }, 'here')).toThrow(
      `Plugin "p" (here) has ${message}.`,
    );
    expect(registry.list()).toEqual([]);
  });

  test.each([null, undefined, 'text'])('a component that is %j is rejected', (odd) => {
    const plugin = { name: 'p', components: [schedule('a'), odd as never] };
    expect(() => new Registry().register(plugin, 'here')).toThrow(
      `Plugin "p" (here) has a component that is ${odd === undefined ? 'nothing' : JSON.stringify(odd)}, no object.`,
    );
  });

  test('a component for an unknown interface is rejected', () => {
    const odd = { ...schedule('a'), interface: 'sheduler' as never };
    expect(() => new Registry().register({ name: 'p', components: [odd] }, 'here')).toThrow(
      /for the interface "sheduler"; known are model, initializer/,
    );
  });
});

test('a component without a class and without a factory is rejected', () => {
  // @ts-expect-error -- the compiler rejects it as well
  expect(() => defineComponent({ interface: 'schedule', id: 'x', description: '', options: z.object({}) })).toThrow(
    'Component "x" should have either useClass or useFactory.',
  );
});
