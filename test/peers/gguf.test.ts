/** GGUF files: the published package's blocks, its implementation's logits of file and folder, and its tokenizer's ids. */
import { importGguf } from '@graft/checkpoint';
import { readHostTensors } from '@graft/checkpoint';
import { HuggingFaceTokenizer } from '@graft/text';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GgufReader } from '../../packages/checkpoint/src/gguf/reader';
import { describeIf, ROOT, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('torch', 'transformers', 'gguf', 'accelerate');
const FIXTURES = join(ROOT, 'test', 'golden', 'fixtures', 'gguf');

function python(script: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(PYTHON, [join(__dirname, script), ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.split('\n').slice(-12).join('\n'));
}

const TEXTS = [
  'the hen and then the cat',
  '  the   hen\n\n\nin 1234 and\t12, an é 漢字 😀.',
  ' and <bos>the<end_of_turn>\n<|im_start|>in<|im_end|>',
  "it's THE'LL  \r\n\r\n 99½²",
  'e\u0301 \u00e9',
  '',
];

describeIf(
  isThere,
  'the published packages are not installed; `npm run test:peers` does it',
  'GGUF files by the published packages',
  () => {
    it.each([7, 8, 9])('blocks of every format have the values of the published package, with seed %s', async (seed) => {
      const folder = temporaryFolder();
      python('gguf_blocks.py', folder, String(seed));
      const reader = await GgufReader.open(join(folder, 'blocks.gguf'));
      const expected = await readHostTensors(join(folder, 'blocks.expected.safetensors'));
      for (const [name, { values }] of Object.entries(expected)) {
        const got = await reader.rows(name, 0, 2);
        expect([name, Buffer.compare(Buffer.from(got.buffer), Buffer.from(Float32Array.from(values).buffer))]).toEqual([
          name,
          0,
        ]);
      }
      await reader.close();
      if (seed === 7)
        for (const file of ['blocks.gguf', 'blocks.expected.safetensors'])
          expect(readFileSync(join(folder, file)).equals(readFileSync(join(FIXTURES, file)))).toBe(true);
    });

    it('the fixtures are what their script makes', () => {
      const folder = temporaryFolder();
      python('gguf_models.py', folder);
      for (const name of ['gemma2', 'gemma3', 'llama', 'llama-scores', 'qwen3'])
        for (const end of ['gguf', 'expected.json'])
          expect(readFileSync(join(folder, `${name}.${end}`)).equals(readFileSync(join(FIXTURES, `${name}.${end}`)))).toBe(
            true,
          );
    });

    it.each(['gemma2', 'gemma3', 'llama', 'llama-scores', 'qwen3'])(
      'the folder made of %s gives the logits that the published implementation gets from the file, and the same ids',
      async (name) => {
        const base = temporaryFolder();
        const [folder, texts, output] = ['folder', 'texts.json', 'output.json'].map((end) => join(base, end));
        const file = join(FIXTURES, `${name}.gguf`);
        await importGguf({ file, out: folder, dtype: 'float32' });
        writeFileSync(texts, JSON.stringify(TEXTS));
        python('gguf_peer.py', file, folder, texts, output);
        const { difference, encoded } = JSON.parse(readFileSync(output, 'utf8')) as {
          difference: number;
          encoded: number[][];
        };
        expect(difference).toBeLessThan(1e-5);
        const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
        const bos = ['llama', 'qwen3'].includes(name) ? [] : [tokenizer.bosId];
        expect(TEXTS.map((text) => [...bos, ...tokenizer.encode(text)])).toEqual(encoded);
      },
    );
  },
);
