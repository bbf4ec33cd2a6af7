import { z } from 'zod';
import { defineComponent, definePlugin } from '../components/plugin';
import { componentOption, componentTypes, loadRegistry, pathOption, secret } from '.';

const inner = z.strictObject({ a: z.literal(1), 'b-c': z.tuple([z.number(), z.string()]).optional() });

it('the options of every component become declarations, with their descriptions and defaults', async () => {
  const plugin = definePlugin({
    name: 'mine',
    components: [
      defineComponent({
        interface: 'schedule',
        id: 'stairs',
        description: 'goes */ down',
        options: z.strictObject({
          every: z.number().int().positive().default(100).describe('steps'),
          kind: z.enum(['a', 'b']).optional(),
          list: z.array(z.union([z.string(), z.null()])),
          table: z.record(z.string(), z.boolean()).optional(),
          file: pathOption(),
          key: secret().optional(),
          tokenizer: componentOption('tokenizer').optional(),
          inner,
        }),
        useFactory: () => ({ factor: () => 1 }),
      }),
      defineComponent({
        interface: 'callback',
        id: 'none',
        description: '',
        options: z.strictObject({}),
        useFactory: () => ({}),
      }),
    ],
  });
  const text = componentTypes(await loadRegistry([plugin], []));
  expect(text).toContain("declare module '@graft/core' {\n  interface ComponentOptions {\n");
  expect(text).toContain(`    /** goes *\\/ down */
    "schedule:mine/stairs": {
      /** steps. Default: 100 */
      readonly every?: number;
      readonly kind?: "a" | "b";
      readonly list: readonly (string | null)[];
      readonly table?: Readonly<Record<string, boolean>>;
      readonly file: string;
      readonly key?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      readonly inner: {
        readonly a: 1;
        readonly "b-c"?: readonly [number, string];
      };
    };
`);
  expect(text).toContain('    "callback:none": Readonly<Record<string, never>>;\n');
});
