import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@graft/test-support';
import { CALLS, STRUCTS, type StructLayout } from './layout';

const header = JSON.parse(readFileSync(join(ROOT, 'test', 'peers', 'device', 'pjrt', 'layout.json'), 'utf8')) as {
  structs: Record<string, { size: number; fields: Record<string, [number, number]> }>;
  functions: Record<string, number>;
};

/** A struct of layout.json without the two fields that all have. */
function inHeader(name: string): StructLayout {
  const { size, fields } = header.structs[name];
  const { struct_size, extension_start, ...own } = fields;
  expect([struct_size, extension_start]).toEqual([
    [0, 8],
    [8, 8],
  ]);
  return { size, fields: own };
}

it.each(Object.entries(CALLS))(
  'the arguments of %s and its place in the table are those of the header',
  (name, call) => {
    const { at, ...struct } = call;
    expect(struct).toEqual(inHeader(`PJRT_${name}_Args`));
    expect(at).toBe(header.functions[`PJRT_${name}`]);
  },
);

it.each(Object.entries(STRUCTS))('the struct %s is that of the header', (name, struct) => {
  expect(struct).toEqual(inHeader(`PJRT_${name}`));
});
