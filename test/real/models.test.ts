/** Real pretrained models: what `graft model get` makes of them gives the published implementation's numbers. */
import { CheckpointReader } from '@graft/checkpoint';
import { isModelName, MODEL_NAMES, modelFolder } from '@graft/checkpoint/internal';
import { openEngine, type Engine } from '@graft/engine';
import { generate, loadModel, runForward, type LoadedModel } from '@graft/gemma';
import { HuggingFaceTokenizer, openChatFormat } from '@graft/text';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, ROOT, worstDifference } from '../support';

interface Case {
  readonly text: string;
  /** As the published tokenizer encodes it, with BOS where it adds one. */
  readonly ids: readonly number[];
  /** Nats a token over all ids but the first. */
  readonly mean_nll: number;
  readonly first_nlls: readonly number[];
  readonly prompt_ids: readonly number[];
  readonly greedy_24: readonly number[];
}

const expected = JSON.parse(
  readFileSync(join(ROOT, 'test', 'golden', 'fixtures', 'gguf', 'real-models.json'), 'utf8'),
) as Record<string, readonly Case[]>;

/** Nats a token. */
const TOLERANCE = 1e-3;

/** Why the tests of a model are skipped; empty if they run. */
function missing(name: string): string {
  if (!process.env.GRAFT_REAL) return 'real models are tested by `npm run test:real`';
  if (isModelName(name) && existsSync(modelFolder(name))) return '';
  return `the model ${name} is not here; \`graft model get ${name}\` fetches it`;
}

const FACTS = {
  'gemma-3-270m': { parameters: 268_098_176, model_type: 'gemma3_text', bos: true },
  'smollm2-135m-instruct': { parameters: 134_515_008, model_type: 'llama', bos: false },
} as const;

/** Surprise at each id but the first, in nats, from logits [1, T, V]. */
function surprises(logits: ArrayLike<number>, ids: readonly number[]): number[] {
  const vocabulary = logits.length / ids.length;
  return ids.slice(1).map((id, i) => {
    const row = i * vocabulary;
    let most = -Infinity;
    for (let at = row; at < row + vocabulary; at++) most = Math.max(most, logits[at]);
    let sum = 0;
    for (let at = row; at < row + vocabulary; at++) sum += Math.exp(logits[at] - most);
    return Math.log(sum) + most - logits[row + id];
  });
}

const ofIds = (ids: readonly number[], value?: number): { dtype: 'int32'; shape: number[]; values: Int32Array } => ({
  dtype: 'int32',
  shape: [1, ids.length],
  values: Int32Array.from(ids, (id) => value ?? id),
});

describe.each([...MODEL_NAMES])('%s', (name) => {
  const path = `model:${name}`;
  const reason = missing(name);

  describeIf(reason === '', reason, 'as a folder', () => {
    it('the config is that of its family, and all parameters are there', async () => {
      const reader = await CheckpointReader.open(path);
      expect(await reader.config()).toMatchObject({ model_type: FACTS[name].model_type, tie_word_embeddings: true });
      const sizes = [...reader.tensors.values()].map(({ shape }) => shape.reduce((product, size) => product * size));
      expect(sizes.reduce((sum, size) => sum + size)).toBe(FACTS[name].parameters);
      await reader.close();
    });

    it('the ids of real text are those of the published tokenizer', async () => {
      const tokenizer = await HuggingFaceTokenizer.open({ path });
      for (const { text, ids } of expected[name]) {
        const bos = FACTS[name].bos ? [tokenizer.bosId] : [];
        expect([...bos, ...tokenizer.encode(text)]).toEqual(ids);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }
    });

    if (name === 'smollm2-135m-instruct')
      it('the chat template is the one in the file', async () => {
        const tokenizer = await HuggingFaceTokenizer.open({ path });
        const format = await openChatFormat([path], tokenizer);
        expect(format.prompt([{ role: 'user', content: 'Hello' }])).toBe(
          '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
        );
      });
  });

  describeIf(reason === '', reason, 'as a model', () => {
    let engine: Engine;
    let loaded: LoadedModel;
    beforeAll(async () => {
      engine = await openEngine();
      loaded = await loadModel(path);
    }, 300_000);
    afterAll(() => loaded?.dispose());

    it('the losses of real text are the published ones', async () => {
      for (const { ids, mean_nll: mean, first_nlls: first } of expected[name]) {
        const { model, parameters } = loaded;
        const inputs = { input_ids: ofIds(ids), attention_mask: ofIds(ids, 1) };
        const { logits } = await runForward({ engine, model, parameters, inputs });
        const got = surprises(logits.values, ids);
        expect(worstDifference(got.slice(0, first.length), first)).toBeLessThan(TOLERANCE);
        expect(Math.abs(got.reduce((sum, value) => sum + value) / got.length - mean)).toBeLessThan(TOLERANCE);
      }
    }, 600_000);

    it('the greedy continuation of real text is the published one', async () => {
      for (const { prompt_ids: prompt, greedy_24: greedy } of expected[name]) {
        const fields = { input_ids: ofIds(prompt), attention_mask: ofIds(prompt, 1) };
        const [row] = await generate(engine, loaded.model, loaded.parameters, { fields, maxNewTokens: greedy.length });
        // A sequence begins with its prompt.
        expect(Array.from(row)).toEqual([...prompt, ...greedy]);
      }
    }, 600_000);
  });
});
