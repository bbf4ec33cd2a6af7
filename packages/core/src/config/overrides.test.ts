import fc from 'fast-check';
import { BASE, PLUGIN } from '../../test/config-toys';
import { loadConfig, parseOverride, type ExperimentConfig, type InvalidConfigError } from './index';
import { Origins, type ConfigTree } from './merge';
import { applyOverrides } from './overrides';

const load = async (value: object, overrides: string[] = []): Promise<ExperimentConfig> =>
  (await loadConfig({ value, overrides, plugins: [PLUGIN], workingFolder: '/work' })).config;

/** What is said of a config; undefined where it is right. */
const loadFails = (value: object, overrides: string[]): Promise<string | undefined> =>
  load(value, overrides).then(
    () => undefined,
    (error: Error) => error.message,
  );

describe('--set', () => {
  test('values are YAML, list items are set by index, and the last value wins', async () => {
    const config = await load(BASE, [
      'train.steps=7',
      'train.steps=9',
      'optimizer.betas=[0.1, 0.2]',
      'optimizer.betas.1=0.5',
      'evaluators=[count]',
      'evaluators.0.every=2',
      'seed=-3',
    ]);
    expect(config.train.steps).toBe(9);
    expect(config.optimizer.betas).toEqual([0.1, 0.5]);
    expect(config.evaluators).toEqual([{ use: 'count', of: 'x', every: 2 }]);
    expect(config.seed).toBe(-3);
  });

  test('naming another component replaces the old options', async () => {
    const config = await load({ ...BASE, initializer: { use: 'load', path: 'x' } }, ['initializer.use=zeros']).catch(
      (e: unknown) => (e as InvalidConfigError).issues,
    );
    expect(config).toMatchObject({ initializer: { use: 'zeros' } });
  });

  test('options that the new component requires are reported together with the replacement', async () => {
    const load = { use: 'load', path: 'x' };
    const message = 'initializer.path: expected string, got nothing; naming another component dropped the options of';
    const dropping = loadConfig({
      value: { ...BASE, initializer: { use: 'zeros', scale: 1 } },
      overrides: ['initializer.use=load'],
      plugins: [PLUGIN],
    });
    await expect(dropping).rejects.toThrow(`--set: ${message} "zeros"`);
    const whole = loadConfig({
      value: { ...BASE, initializer: { use: 'zeros', scale: 1 } },
      overrides: ['initializer=load'],
      plugins: [PLUGIN],
    });
    await expect(whole).rejects.toThrow(`--set: ${message} "zeros"`);
    // Nothing is dropped where there is nothing.
    await expect(loadFails({ ...BASE, initializer: 'zeros' }, ['initializer.use=load'])).resolves.toBe(
      '--set: initializer.path: expected string, got nothing',
    );
    await expect(loadFails({ ...BASE, initializer: load }, ['initializer.use=zeros'])).resolves.toBeUndefined();
  });

  test('an invalid value is quoted as written and attributed to --set', async () => {
    expect(await loadFails(BASE, ['name=a/b'])).toBe(
      '--set: name: expected letters, digits, ".", "_" and "-", got "a/b"',
    );
    expect(await loadFails(BASE, ['seed=abc'])).toBe('--set: seed: expected number, got "abc"');
    // A template, which YAML reads as an object.
    expect(await loadFails(BASE, ['dataset.files={qq}'])).toMatch(
      /^--set: dataset\.files: expected string or list, got \{/,
    );
  });

  test('null removes an optional key unless the schema accepts null', async () => {
    const value = { ...BASE, evaluators: [{ use: 'count', every: 3 }], train: { ...BASE.train, averageDecay: 0.9 } };
    const config = await load(value, ['train.averageDecay=null', 'evaluators.0.every=null']);
    expect(config.train).not.toHaveProperty('averageDecay');
    expect(config.evaluators[0]).toMatchObject({ use: 'count', every: 0 });
    expect(await loadFails(value, ['train.steps=null'])).toBe(
      'config: train: expected exactly one of steps, tokens, epochs, got none',
    );
    // A sweep may try a key with and without a value.
    expect((await load(BASE, ['train.averageDecay=null'])).train).not.toHaveProperty('averageDecay');
    expect(await loadFails(BASE, ['train.averageDeca=null'])).toMatch(/^--set: train\.averageDeca: unknown key/);
    expect(await loadFails(BASE, ['dataset.files=null'])).toMatch(/^--set: dataset\.files: expected .*, got nothing$/);
  });

  test.each(['train', '=3', 'a..b=1', 'a b=1', '.a=2'])('the override %j is rejected', (text) => {
    expect(() => parseOverride(text)).toThrow(/expected key\.path=value/);
  });

  test('invalid YAML and an index beyond the list are reported', async () => {
    expect(() => parseOverride('a=[1')).toThrow(/the value is not valid YAML/);
    await expect(load({ ...BASE, evaluators: ['count'] }, ['evaluators.5.every=1'])).rejects.toThrow(
      '--set evaluators.5.every=…: "evaluators.5" is not a place in a list of 1.',
    );
  });

  test('any scalar is parsed to the same value', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true })),
        (value) => {
          // YAML wants a point in a number with an exponent.
          const text = typeof value === 'boolean' || Number.isInteger(value) ? String(value) : value.toFixed(20);
          expect(parseOverride(`a.b=${text}`).value).toBe(typeof value === 'boolean' ? value : Number(text));
        },
      ),
    );
  });

  test('options set together with another component are kept in either order', async () => {
    const value = { ...BASE, initializer: 'zeros' };
    const either = [
      ['initializer.path=/x', 'initializer.use=load'],
      ['initializer.use=load', 'initializer.path=/x'],
      ['initializer={ use: load, path: /y }', 'initializer.path=/x'],
    ];
    for (const overrides of either) {
      expect((await load(value, overrides)).initializer).toEqual({ use: 'load', path: '/x' });
    }
  });

  test('short forms are sections without options', async () => {
    const config = await load({ ...BASE, engine: 'graph', optimizer: 'sgd' }, [
      'engine.threads=2',
      'optimizer.learningRate=1e-4',
      'dataset.tokenizer=file',
      'dataset.tokenizer.path=/t',
    ]);
    expect(config.engine).toEqual({ target: 'auto', mode: 'graph', threads: 2 });
    expect(config.optimizer.learningRate).toBe(0.0001);
    expect(config.dataset.tokenizer).toEqual({ use: 'file', path: '/t' });
  });

  test('an index of 0 starts a list, and the index after the last appends', async () => {
    const config = await load(BASE, ['evaluators.0.use=count', 'evaluators.1={ use: count, name: two }']);
    expect(config.evaluators).toEqual([
      { use: 'count', every: 0, of: 'x' },
      { use: 'count', every: 0, name: 'two', of: 'x' },
    ]);
  });

  test('unknown keys are rejected as in a file, and prototypes stay untouched', async () => {
    await expect(load(BASE, ['train.stpes=3'])).rejects.toThrow(
      '--set: train.stpes: unknown key; did you mean "steps"?',
    );
    await expect(load(BASE, ['__proto__.polluted=1'])).rejects.toThrow(/expected key\.path=value/);
    await expect(load(BASE, ['constructor.polluted=1'])).rejects.toThrow('--set: constructor: unknown key');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    await expect(load(BASE, ['train={ __proto__: { steps: 1 } }'])).rejects.toThrow(
      '--set: train.__proto__: no key may be called "__proto__".',
    );
  });

  test('the last override of each path wins', () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(key, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(fc.tuple(path, fc.integer()), { maxLength: 8 }), (pairs) => {
        const config: ConfigTree = {};
        const texts = pairs.map(([keys, value]) => `${keys.join('.')}=${value}`);
        applyOverrides(config, texts, { folder: '/', source: '--set' }, new Origins());
        pairs.forEach(([keys, value], i) => {
          const at = keys.join('.');
          const replaced = pairs
            .slice(i + 1)
            .some(
              ([later]) => `${later.join('.')}.`.startsWith(`${at}.`) || `${at}.`.startsWith(`${later.join('.')}.`),
            );
          if (replaced) return;
          const found = keys.reduce<unknown>((node, k) => (node as ConfigTree)[k], config);
          expect(found).toBe(value);
        });
      }),
    );
  });
});
