import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { defineComponent, definePlugin } from '../components/plugin';
import { maskedConfig, literalSecretsWarning } from '../secrets/mask';
import { redact } from '../secrets/redact';
import { parseYamlWithEnvironment } from './environment-values';
import { loadConfig, secret } from '.';

const ENVIRONMENT = { STEPS: '12', WORD: 'abc', YES: 'true', LIST: '[1, 2]', EMPTY: '', TWO_WORDS: 'a: b' };
const parsed = (text: string): unknown => parseYamlWithEnvironment(text, 'a.yaml', ENVIRONMENT).value;

it.each<[string, unknown]>([
  ['a: ${env:STEPS}', 12],
  ['a: "${env:STEPS}"', '12'],
  ['a: ${env:YES}', true],
  ['a: ${env:LIST}', '[1, 2]'],
  ['a: ${env:TWO_WORDS}', 'a: b'],
  ['a: ${env:EMPTY}', ''],
  ['a: ${env:WORD}/${env:STEPS}', 'abc/12'],
  ['a: ${env:NONE:7}', 7],
  ['a: ${env:NONE:}', ''],
  ['a: ${env:NONE:http://host:5000/x}', 'http://host:5000/x'],
  ['a: $${env:WORD}', '${env:WORD}'],
  ['a: "costs $5 and ${WORD}"', 'costs $5 and ${WORD}'],
  ['a: |\n  one ${env:WORD}\n', 'one abc\n'],
  ['a: { b: [${env:STEPS}, ${env:WORD}] } # ${env:NONE}', { b: [12, 'abc'] }],
  ['a: { "${env:WORD}": 1 }', { '${env:WORD}': 1 }],
  ['a: { ${env:WORD}: 1 }', { '${env:WORD}': 1 }],
])('%s is replaced in values alone, with the type that YAML gives it without quotes', (text, expected) => {
  expect(parsed(text)).toEqual({ a: expected });
});

it('all variables that are not set are reported with file and line, and the nearest name', () => {
  const text = 'a: 1\nb: ${env:STEP}\nc:\n  - "${env:OTHER_THING}"\n  - ${env:1X}\n';
  expect(() => parsed(text)).toThrow(
    'a.yaml:2: the environment variable STEP is not set; did you mean "STEPS"?; ' +
      'a.yaml:4: the environment variable OTHER_THING is not set; ' +
      'a.yaml:5: a reference to the environment is not ${env:NAME} or ${env:NAME:default}',
  );
  expect(() => parsed(text)).toThrow(expect.objectContaining({ code: 'config.environment', exitCode: 2 }));
});

it('values of variables that are named like secrets are masked in texts from then on', () => {
  const text = 'a: http://host/?x=${env:SOME_API_KEY}';
  parseYamlWithEnvironment(text, 'a.yaml', { SOME_API_KEY: 'qwertyuiop12' });
  expect(redact('no qwertyuiop12 here')).toBe('no *** here');
});

describe('in a config', () => {
  const plugin = definePlugin({
    name: 'post',
    components: [
      defineComponent({
        interface: 'tracker',
        id: 'post',
        description: 'nothing',
        options: z.strictObject({ word: secret(), address: z.string().optional() }),
        useFactory: () => ({ start: async () => undefined, log: () => undefined, finish: async () => undefined }),
      }),
    ],
  });
  const folder = temporaryFolder();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const base = (): string => write('base.json', JSON.stringify(toyConfig(join(folder, 'runs'))));
  const load = async (file: string, overrides: string[] = []) =>
    (await loadConfig({ file, overrides, plugins: [toyPlugin, plugin] })).config;
  beforeAll(() => Object.assign(process.env, { GRAFT_TEST_STEPS: '3', GRAFT_TEST_WORD: 'not to be shown' }));

  it('a secret that is one reference stays a reference, and its value is in no message', async () => {
    base();
    const lines = ['extends: base.json', 'train: { steps: ${env:GRAFT_TEST_STEPS} }', 'trackers:'];
    const tracker = '  - { use: post, word: ${env:GRAFT_TEST_WORD} }';
    const file = write('a.yaml', [...lines, tracker].join('\n'));
    const config = await load(file);
    expect(config.train.steps).toBe(3);
    expect(maskedConfig(config.trackers)).toEqual([{ use: 'post', word: { env: 'GRAFT_TEST_WORD' } }]);
    expect(literalSecretsWarning(config)).toBeUndefined();
    // What replaces it is what was written.
    const other = await load(file, ['trackers.0.word={ env: OTHER }']);
    expect(maskedConfig(other.trackers)).toEqual([{ use: 'post', word: { env: 'OTHER' } }]);
    const wrong = write('b.yaml', [...lines, tracker.replace(' }', ', addres: 1 }')].join('\n'));
    const error: unknown = await load(wrong).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toContain('addres: unknown key');
    expect(JSON.stringify(error) + String(error)).not.toContain('not to be shown');
  });

  it('a .graftrc is found, as YAML or JSON, in the folder or above it', async () => {
    for (const text of ['extends: base.json\nseed: 5', '{"extends": "base.json", "seed": 5}']) {
      const project = join(folder, `project-${text.length}`);
      mkdirSync(join(project, 'inner'), { recursive: true });
      writeFileSync(join(project, 'base.json'), JSON.stringify(toyConfig(join(folder, 'runs'))));
      writeFileSync(join(project, '.graftrc'), text);
      const { config } = await loadConfig({ workingFolder: join(project, 'inner'), plugins: [toyPlugin] });
      expect(config.seed).toBe(5);
    }
  });

  it.each<[string, string, string]>([
    ['throws.ts', 'const a = 1;\n\nthrow new Error(`no ${a as number}`);\n', 'no 1 (FILE:3)'],
    ['call.mts', 'export default () => {\n  const a: any = undefined;\n  return a.b;\n};\n', "(reading 'b') (FILE:3)"],
    ['called.mjs', "import { value } from './helper.mjs';\nexport default value();\n", 'of helper (FILE:2)'],
  ])('a config in code that throws is reported with its line: %s', async (name, text, expected) => {
    write('helper.mjs', "export const value = () => {\n  throw new Error('of helper');\n};\n");
    const file = write(name, text);
    await expect(load(file)).rejects.toThrow(expected.replace('FILE', file));
  });

  it.each(['ts', 'mts', 'mjs'])('a .%s config without a default export is reported as such', async (extension) => {
    const file = write(`named.${extension}`, "export const config = { name: 'x' };\nexport const other = 1;\n");
    await expect(load(file)).rejects.toMatchObject({
      code: 'config.no-default',
      exitCode: 2,
      message: `${file} has no default export: it exports config, other.`,
    });
  });
});
