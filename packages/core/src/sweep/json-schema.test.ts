import { sweepJsonSchema } from './json-schema';

interface Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly additionalProperties: boolean;
  readonly enum: readonly string[];
  readonly items: Schema;
}

it('has the keys of a sweep with their meanings, and nothing that is not JSON', () => {
  const schema = sweepJsonSchema() as unknown as Schema;
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['config', 'list', 'grid', 'random', 'match']));
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.match.properties.by.enum).toEqual(['parameters', 'training-flops', 'latency']);
  expect(schema.properties.list.items).toMatchObject({ required: ['label'], additionalProperties: false });
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
});
