import { createRandom, Registry, silentLogger, createComponentFactory } from '@graft/core';
import { openEngine } from '@graft/engine';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plugin } from '.';
import { TokenMasking } from './token-masking';

test('the plugin has the name and version of its package', () => {
  const file = join(__dirname, '..', 'package.json');
  const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
  expect(plugin).toMatchObject({ name, version });
});

test('Graft registers the plugin and creates its components with their default options', async () => {
  const registry = new Registry();
  registry.register(plugin, 'this test');
  const parts = { engine: await openEngine({ mode: 'portable' }), random: createRandom(0), logger: silentLogger() };
  const components = createComponentFactory(registry, parts);
  expect(await components.create('objective', 'token-masking')).toBeInstanceOf(TokenMasking);
  await expect(components.create('objective', { use: 'token-masking', rate: 2 })).rejects.toThrow(/rate/);
  await expect(components.create('evaluator', 'repetition')).rejects.toThrow(/dataset/);
});
