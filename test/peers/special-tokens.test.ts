/** Held-out losses of decoder-only models: by default Graft reads what the published implementation's tokenizer gives it. */
import { createRandom, loadEvaluationConfig, modelInput, runEvaluation } from '@graft/core';
import { plugin as gemma, GemmaModel, modelOptions, resolveModelConfig } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTokenizer } from '../../plugins/text/test-support/datasets';
import { describeIf, SHARED, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { describeWithTokenizer } from '../support/real-tokenizers';
import { writeTiny } from '../../plugins/gemma/test-support/tiny-gemma';

const isThere = hasModules('torch', 'transformers');
const TOLERANCE = 1e-5;

interface Published {
  readonly ids: readonly (readonly number[])[];
  readonly loss: number;
}

function published(folder: string, texts: readonly unknown[]): Published {
  const base = temporaryFolder();
  const [given, output] = [join(base, 'texts.json'), join(base, 'losses.json')];
  writeFileSync(given, JSON.stringify(texts));
  const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'losses.py'), folder, given, output], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
  return JSON.parse(readFileSync(output, 'utf8')) as Published;
}

/** Held-out loss of a folder on texts, as `graft evaluate` gives it. */
async function heldOutLoss(path: string, dataset: object, specialTokens?: object): Promise<number> {
  const value = {
    name: 'loss',
    initializer: { use: 'load', path },
    ...(specialTokens ? { specialTokens } : {}),
    evaluators: [{ use: 'loss', objective: 'causal-lm', batches: 1000, batchSize: 3, dataset }],
  };
  const workingFolder = temporaryFolder();
  const loaded = await loadEvaluationConfig({ value, plugins: [gemma, objectives, optimizers, text], workingFolder });
  const { evaluations } = await runEvaluation(loaded);
  return evaluations[0].metrics.loss;
}

const TEXTS = [
  'The quick brown fox jumps over the lazy dog.',
  ' Leading blanks, and "quotes" - naïve café, 12345.67 €',
  'def main():\n    return {"a": [1, 2, 3]}\n',
  '日本語のテキスト and ελληνικά',
  'x',
];

describeIf(isThere, '`npm run test:peers` installs the published implementation', 'decoder-only losses', () => {
  const base = temporaryFolder();
  const rows = (texts: readonly string[]): object => {
    const file = join(temporaryFolder(), 'texts.jsonl');
    writeFileSync(file, texts.map((one) => JSON.stringify({ text: one })).join('\n'));
    return { use: 'jsonl', files: file, shuffle: false, repeat: false };
  };

  describeWithTokenizer('gemma2', "Gemma 2's tokenizer", (tokenizerFolder) => {
    it("ids and losses are the published ones for the tokenizer's default encoding", async () => {
      const side = { layers: 2, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1, headDim: 8, slidingWindow: 6 };
      const options = modelOptions.parse({ kind: 'decoder-only', vocabularySize: 256_000, decoder: side });
      const folder = await writeTiny(join(base, 'wide'), { config: resolveModelConfig(options) });
      for (const file of ['tokenizer.json', 'tokenizer_config.json'])
        copyFileSync(join(tokenizerFolder, file), join(folder, file));
      const { ids, loss } = published(folder, TEXTS);
      const tokenizer = await openTokenizer(folder);
      const model = new GemmaModel(resolveModelConfig(options));
      expect(TEXTS.map((one) => [...modelInput(model, tokenizer.encode(one))])).toEqual(ids);
      const dataset = { ...rows(TEXTS), tokenizer: { use: 'huggingface', path: folder } };
      // The published tokenizer puts no end token behind a text.
      const own = await heldOutLoss(folder, dataset, { eos: false });
      expect(Math.abs(own - loss)).toBeLessThan(TOLERANCE);
    });
  });

  describeIf(SHARED !== undefined, 'the reference numbers are not beside the repository', 'a checkpoint', () => {
    it('the loss of 200 random texts is the published one, and differs without BOS', async () => {
      const folder = join(SHARED!, 'fixtures2', 'gemma2-tiny-it');
      const random = createRandom(3);
      // Bytes whose ids the model's 300 tokens hold.
      const texts = Array.from({ length: 200 }, () =>
        String.fromCharCode(...Array.from({ length: 2 + random.integer(60) }, () => 32 + random.integer(95))),
      ).filter((one) => one.trim() !== '');
      const ids = texts.map((one) => [2, ...Array.from(Buffer.from(one), (byte) => byte + 3)]);
      const { loss } = published(folder, ids);
      const dataset = { ...rows(texts), tokenizer: 'bytes' };
      const own = await heldOutLoss(folder, dataset, { decoder: { eos: false } });
      expect(Math.abs(own - loss)).toBeLessThan(TOLERANCE);
      const without = await heldOutLoss(folder, dataset, { decoder: { bos: false, eos: false } });
      expect(Math.abs(without - loss)).toBeGreaterThan(1e-3);
      process.stdout.write(`held-out loss of ${texts.length} texts: ${own}, published ${loss}; without BOS ${without}\n`);
    });
  });
});
