import { z } from 'zod';
import { named, PLUGIN } from '../../test/config-toys';
import { definePlugin } from '../components/plugin';
import { componentOption, configJsonSchema, loadRegistry, secret } from './index';

type Schema = {
  properties: Record<string, Schema>;
  $defs: Record<string, { anyOf: Schema[] }>;
  [key: string]: unknown;
};

test('the schema of a config contains every component with its options and nested components', async () => {
  const other = definePlugin({ name: 'other', components: [named('initializer', 'zeros')] });
  const schema = configJsonSchema(await loadRegistry([PLUGIN, other], [])) as Schema;
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['extends', 'name', 'train', 'evaluators']));
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.dataset).toEqual({ $ref: '#/$defs/dataset' });
  expect(schema.properties.train.properties.precision.enum).toEqual(['float32', 'bfloat16']);
  expect(schema.$defs.dataset.anyOf).toEqual([
    { enum: ['lines'], description: expect.any(String) as string },
    expect.objectContaining({
      properties: {
        use: { enum: ['lines', 'toys/lines'] },
        files: {
          anyOf: [
            { type: 'string', minLength: 1 },
            { type: 'array', items: { type: 'string', minLength: 1 } },
          ],
        },
        tokenizer: expect.objectContaining({ $ref: '#/$defs/tokenizer' }) as object,
      },
      required: ['use', 'files'],
      additionalProperties: false,
    }),
  ]);
  // Two plugins have it: only the longer names will do.
  expect(schema.$defs.initializer.anyOf[0].enum).toEqual(['toys/zeros', 'load', 'other/zeros']);
  // The one family needs no naming; an evaluator has core's keys too.
  expect(schema.$defs.model.anyOf[1].required).toEqual([]);
  expect(Object.keys(schema.$defs.evaluator.anyOf[1].properties)).toEqual(['use', 'name', 'every', 'of']);
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
});

test('the schema leaves open what JSON Schema cannot express', async () => {
  const odd = named('tracker', 'odd', z.strictObject({ at: z.string().transform((text) => text.length) }));
  const schema = configJsonSchema(await loadRegistry([definePlugin({ name: 'p', components: [odd] })], [])) as Schema;
  expect(schema.$defs.tracker.anyOf[1].properties.at).toEqual({ type: 'string' });
});

test('the schema has the descriptions and defaults of options, of components and secrets too', async () => {
  const options = z.strictObject({
    rate: z.number().default(0.5).describe('The rate.'),
    tokenizer: componentOption('tokenizer').default({ use: 'bytes' }).describe('The tokenizer.'),
    token: secret()
      .default('canary' as never)
      .describe('The token.'),
  });
  const plugin = definePlugin({ name: 'p', components: [named('tracker', 'full', options)] });
  const schema = configJsonSchema(await loadRegistry([plugin], [])) as Schema;
  expect(schema.$defs.tracker.anyOf[1].properties).toEqual({
    use: { enum: ['full', 'p/full'] },
    rate: { type: 'number', default: 0.5, description: 'The rate.' },
    tokenizer: { $ref: '#/$defs/tokenizer', default: { use: 'bytes' }, description: 'The tokenizer.' },
    token: { anyOf: expect.any(Array) as unknown[], default: '***', description: 'The token.' },
  });
});
