import { openEngine } from '@graft/engine';
import { readdirSync } from 'node:fs';
import { temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import type { Model, Objective } from '../interfaces';
import { checkModelKind } from './model-kind';
import type { ComponentDefinition } from '../components/plugin';
import { runExperiment } from '../run';

const objective = (modelKind?: Model['kind']): Objective => ({ modelKind }) as Objective;

test('an objective without a model kind trains every model', () => {
  for (const kind of ['encoder-decoder', 'decoder-only'] as const) {
    expect(() => checkModelKind({ kind }, objective())).not.toThrow();
    expect(() => checkModelKind({ kind }, objective(kind))).not.toThrow();
  }
});

test('a model of the wrong kind is rejected before the run has a folder, and the error names the objective', async () => {
  const squares = toyPlugin.components.find(({ id }) => id === 'squares')!;
  const picky = {
    ...squares,
    id: 'picky',
    useFactory: async (context) => ({ ...(await squares.useFactory!(context)), ...objective('encoder-decoder') }),
  } as ComponentDefinition;
  const runs = temporaryFolder();
  const loaded = await loadConfig({
    value: toyConfig(runs, { objective: 'picky' }),
    plugins: [{ ...toyPlugin, components: [...toyPlugin.components, picky] }],
  });
  await expect(runExperiment(loaded, { engine: await openEngine({ mode: 'portable' }) })).rejects.toMatchObject({
    message: 'objective "toy/picky" trains encoder-decoder models, but the model is decoder-only.',
    code: 'config.model-kind',
    exitCode: 2,
  });
  expect(readdirSync(runs)).not.toContain('toy');
});
