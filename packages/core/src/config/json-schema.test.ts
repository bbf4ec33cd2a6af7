import { z } from 'zod';
import { named, PLUGIN } from '../../test/config-toys';
import { definePlugin } from '../components/plugin';
import { configJsonSchema, loadRegistry } from './index';

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
