/** docs/reference.md has the options of all components as the sources have them, each with a sentence. */
import { componentTypes, describeOptions, loadRegistry, type Plugin } from '@graft/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultPlugins } from '../../packages/cli/src/default-plugins';
import { optionsReference } from '../../packages/cli/src/output/options-reference';

/** The sources of Graft's own plugins, which the command loads by name. */
const plugins = defaultPlugins.map((name) => (jest.requireActual(name) as { readonly plugin: Plugin }).plugin);

test('the reference of options agrees with the sources', async () => {
  const page = readFileSync(join(__dirname, '..', '..', 'docs', 'reference.md'), 'utf8');
  // `npm run docs:options` rewrites it.
  expect(page).toBe(await optionsReference(await loadRegistry(plugins, [])));
});

test('the types that @graft/cli brings agree with the sources', async () => {
  const types = readFileSync(join(__dirname, '..', '..', 'packages', 'cli', 'types', 'components.d.ts'), 'utf8');
  // `npm run docs:options` rewrites them.
  expect(types).toBe(componentTypes(await loadRegistry(plugins, [])));
});

test('every option of every component has a sentence', async () => {
  const components = (await loadRegistry(plugins, [])).list();
  expect(components.length).toBeGreaterThan(20);
  const without = components.flatMap(({ definition: { id, options } }) =>
    describeOptions(options)
      .filter(({ description }) => !/^.+[.!?]$/.test(description))
      .map(({ path }) => `${id}.${path}`),
  );
  expect(without).toEqual([]);
});
