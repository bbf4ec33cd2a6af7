import { openEngine, type Engine } from '@graft/engine';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { temporaryFolder } from '@graft/test-support';
import { BASE, named, PLUGIN } from '../../test/config-toys';
import { createComponentFactory } from '../components/factory';
import { silentLogger } from '../util/logger';
import { defineComponent, definePlugin, type Plugin } from '../components/plugin';
import { createRandom } from '../random/streams';
import { literalSecretsWarning, maskedConfig, packSecrets, secretsIn, unpackSecrets } from '../secrets/mask';
import { isSecret, Secret } from '../secrets/secret';
import { componentOption, configJsonSchema, loadConfig, loadRegistry, secret, type LoadedExperiment } from './index';

const CANARY = 'canary-9f31';

const Options = z.strictObject({
  token: secret().optional(),
  retries: z.number().default(1),
  keys: z.array(z.strictObject({ name: z.string(), key: secret() })).optional(),
  headers: z.record(z.string(), secret()).optional(),
  login: z.union([z.strictObject({ user: z.string(), pass: secret() }), z.enum(['none'])]).optional(),
  pair: z.tuple([z.number(), secret()]).optional(),
  inner: componentOption('tokenizer').optional(),
  fallback: secret().default(new Secret('default-canary-77')),
});

let made: z.output<typeof Options>[] = [];
const other: Plugin = definePlugin({
  name: 'other',
  components: [
    defineComponent({
      interface: 'tracker',
      id: 'post',
      description: '',
      options: Options,
      useFactory: ({ options }) => {
        made.push(options);
        return { start: async () => undefined, log: () => undefined, finish: async () => undefined };
      },
    }),
    named('tokenizer', 'sealed', z.strictObject({ key: secret() })),
  ],
});

const plugins = [PLUGIN, other];
const load = (tracker: unknown, overrides: string[] = [], workingFolder = '/work'): Promise<LoadedExperiment> =>
  loadConfig({ value: { ...BASE, trackers: [tracker] }, overrides, plugins, workingFolder });

const NESTED = {
  use: 'post',
  token: CANARY,
  keys: [{ name: 'a', key: CANARY }],
  headers: { Authorization: CANARY },
  login: { user: 'ann', pass: CANARY },
  pair: [1, CANARY],
  inner: { use: 'sealed', key: CANARY },
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});
beforeEach(() => void (made = []));

test('literal secrets are recognized at every depth and masked in written configs', async () => {
  const { config } = await load(NESTED);
  const found = secretsIn(config.trackers).map(({ path, secret: at }) => [path.join('.'), at.reveal()]);
  expect(found.slice(0, -1)).toEqual(
    ['token', 'keys.0.key', 'headers.Authorization', 'login.pass', 'pair.1', 'inner.key'].map((key) => [
      `0.${key}`,
      CANARY,
    ]),
  );
  for (const text of [JSON.stringify(config), JSON.stringify(maskedConfig(config))]) {
    expect(text).not.toContain('canary');
    expect(text).toContain('"token":"***"');
  }
  expect(literalSecretsWarning(config)).toMatch(
    /^trackers\.0\.token, trackers\.0\.keys\.0\.key, .* and 2 more are written out in the config\./,
  );
});

test('references to secrets stay in the config, with absolute file paths', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'base'));
  writeFileSync(
    join(folder, 'base', 'base.yaml'),
    JSON.stringify({ ...BASE, trackers: [{ use: 'post', token: { file: 'token.txt' } }] }),
  );
  const { config } = await loadConfig({ value: { extends: 'base/base.yaml' }, plugins, workingFolder: folder });
  const masked = maskedConfig(config.trackers) as { token: unknown }[];
  expect(masked[0].token).toEqual({ file: join(folder, 'base', 'token.txt') });
  const second = await load({ use: 'post', token: { env: 'SOME_TOKEN' } }, [
    'trackers.0.keys=[{ name: a, key: { file: k } }]',
  ]);
  expect(maskedConfig(second.config.trackers)).toMatchObject(
    [{ token: { env: 'SOME_TOKEN' }, keys: [{ key: { file: join(process.cwd(), 'k') } }] }].map((tracker) => ({
      ...tracker,
      keys: [{ key: { file: '/work/k' } }],
    })),
  );
  // What was written is read again to the same.
  const again = await load((maskedConfig(second.config.trackers) as object[])[0], ['trackers.0.fallback=x']);
  expect(maskedConfig(again.config.trackers)).toEqual(maskedConfig(second.config.trackers));
});

test.each([
  ['a number', { use: 'post', token: 712345678 }],
  ['a list', { use: 'post', token: [CANARY] }],
  ['other keys', { use: 'post', token: { value: CANARY } }],
  ['two keys', { use: 'post', token: { env: 'A', file: CANARY } }],
  ['a name that is none', { use: 'post', token: { env: `${CANARY}!` } }],
  ['in a record', { use: 'post', headers: { a: [CANARY] } }],
  ['beside another fault', { use: 'post', token: CANARY, retries: 'many' }],
  ['in alternatives', { use: 'post', login: { user: 5, pass: CANARY } }],
  ['in alternatives, misspelt', { use: 'post', login: { usr: 'ann', pass: CANARY } }],
  ['with an unknown key beside it', { use: 'post', tokn: CANARY }],
  ['with another component', { use: 'pots', token: CANARY }],
  ['in a nested component', { use: 'post', inner: { use: 'sealed', key: CANARY, more: 1 } }],
  ['in a nested component of no such name', { use: 'post', inner: { use: 'saeled', key: CANARY } }],
  ['where a list is expected', { use: 'post', keys: { name: 'a', key: CANARY } }],
])('no error contains a secret: %s', async (_, tracker) => {
  const error = await load(tracker).catch((thrown: unknown) => thrown as Error);
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).toMatch(/trackers\.0/);
  expect(JSON.stringify([error, (error as Error).message, (error as Error).stack])).not.toMatch(/canary|712345678/);
});

test('no error contains a secret when a section has the wrong shape or a --set is invalid', async () => {
  const attempts = [
    loadConfig({ value: { ...BASE, trackers: NESTED }, plugins }),
    loadConfig({ value: { ...BASE, model: [NESTED] }, plugins }),
    loadConfig({ value: { ...BASE, plugins: { token: CANARY } }, plugins }),
    load('post', [`trackers.0.token=a: ${CANARY}: b`]),
    load('post', [`trackers.0.token=*${CANARY}`]),
    load('post', [`trackers.0.token=!${CANARY} x`]),
    load('post', [`trackers.7.token=${CANARY}`]),
    load('post', [` =${CANARY}`]),
    load('post', [CANARY]),
  ];
  for (const attempt of attempts) {
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error).toBeInstanceOf(Error);
    expect(error!.message + String(error!.cause)).not.toContain('canary');
  }
});

test('a mask is rejected as a secret, which must be given again', async () => {
  await expect(load({ use: 'post', token: '***' })).rejects.toThrow(
    /trackers\.0\.token: expected .* got \*\*\*, which stands for a secret that Graft did not write; give it again/,
  );
  await expect(
    loadConfig({ value: { ...BASE, dataset: { use: 'lines', files: 'https://***@host/x' } }, plugins }),
  ).resolves.toBeDefined();
});

test('a written config does not depend on the secrets that the process knows', async () => {
  const config = {
    dataset: { files: '/data/wordlists/a.txt', address: 'https://ann:pw@host/wordlists' },
    token: new Secret({ env: 'A' }),
  };
  const before = JSON.stringify(maskedConfig(config));
  new Secret('wordlists');
  expect(JSON.stringify(maskedConfig(config))).toBe(before);
  expect(before).toContain('/data/wordlists/a.txt');
});

test('a component gets its secrets when it is created, and an unset variable is reported in one sentence', async () => {
  const { config, registry } = await load({ ...NESTED, token: { env: 'GRAFT_TEST_TOKEN' } });
  const factory = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
  delete process.env.GRAFT_TEST_TOKEN;
  await expect(factory.create('tracker', config.trackers[0])).rejects.toMatchObject({
    message: 'tracker "other/post": token: the environment variable GRAFT_TEST_TOKEN is not set.',
    code: 'secret.environment',
    exitCode: 2,
  });
  process.env.GRAFT_TEST_TOKEN = 'value-of-it';
  await factory.create('tracker', config.trackers[0]);
  expect(made[0].token?.reveal()).toBe('value-of-it');
  // From a masked config too, and a copy of a part of one: a component that makes others out of the run's config.
  const [masked] = maskedConfig(config.trackers) as { use: string }[];
  await factory.create('tracker', masked);
  const { headers, login } = masked as { use: string; headers?: object; login?: object };
  await factory.create('tracker', { use: 'post', headers, login });
  expect(made[1].headers?.Authorization.reveal()).toBe(CANARY);
});

test('secrets survive the transfer to a thread', () => {
  const packed = structuredClone(packSecrets({ use: 'x', list: [new Secret(CANARY), new Secret({ env: 'A' })] }));
  const { list } = unpackSecrets(packed) as unknown as { list: Secret[] };
  expect(list.every(isSecret)).toBe(true);
  expect(list[0].reveal()).toBe(CANARY);
  expect(JSON.stringify(list)).toBe('["***",{"env":"A"}]');
});

test('the JSON schema describes how to give a secret and contains no default secret', async () => {
  const schema = JSON.stringify(configJsonSchema(await loadRegistry(plugins, [])));
  expect(schema).toContain('the environment variable that holds it');
  expect(schema).not.toContain('canary');
});
