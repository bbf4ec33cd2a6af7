import {
  createComponentFactory,
  createRandom,
  evaluatorSection,
  modelInput,
  type ComponentSpec,
  type Dataset,
  type HostArray,
  type LoadedExperiment,
  type Logger,
  type Tokenizer,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { generate, loadModel } from '@graft/gemma';

/** Pieces to choose from. */
const PIECES = 64;
/** Tokens of the continuation that the decoder gets as a prompt: models this small cannot start one. */
const GIVEN = 16;

/** The continuation that each model writes for the first half of a held-out piece of text. */
export async function sampleText(
  engine: Engine,
  { config, registry }: LoadedExperiment,
  models: Readonly<Record<string, string>>,
  logger: Logger,
): Promise<string[]> {
  const components = createComponentFactory(registry, { engine, random: createRandom(config.seed), logger });
  const heldOut = evaluatorSection(config.evaluators[0]).component.dataset as ComponentSpec;
  const dataset = await components.create('dataset', heldOut);
  const tokenizer = await components.create('tokenizer', heldOut.tokenizer as ComponentSpec);
  const tokens = await wordiest(dataset, tokenizer);
  dataset.dispose?.();
  if (!tokens) return [];
  const middle = tokens.length >> 1;
  const source = tokens.subarray(0, middle);
  const given = tokens.subarray(middle, middle + GIVEN);
  const show = (ids: Int32Array): string => tokenizer.decode(ids).replace(/\r/g, '').replace(/^/gm, '  | ');
  const lines = ['', 'The encoder reads, from a held-out text:', show(source)];
  lines.push(
    `How it continues (the decoder is given "${tokenizer.decode(given).replace(/\s/g, ' ')}"):`,
    show(tokens.subarray(middle)),
  );
  for (const [name, folder] of Object.entries(models)) {
    const checkpoint = await loadModel(folder);
    const { model } = checkpoint;
    try {
      const fields = {
        input_ids: row(modelInput(model, source)),
        decoder_input_ids: row(Int32Array.of(model.specialTokens.start, ...given)),
      };
      const maxNewTokens = tokens.length - middle - given.length;
      const [sequence] = await generate(engine, model, checkpoint.parameters, { fields, maxNewTokens });
      lines.push(`What the model says, ${name}:`, show(sequence.subarray(1)));
    } finally {
      checkpoint.dispose();
    }
  }
  return lines;
}

function row(values: Int32Array): HostArray {
  return { dtype: 'int32', shape: [1, values.length], values };
}

/** The piece with the most letters among the first ones: tables and code are not informative for a reader. */
async function wordiest(dataset: Dataset, tokenizer: Tokenizer): Promise<Int32Array | undefined> {
  let best: { tokens: Int32Array; letters: number } | undefined;
  let left = PIECES;
  for await (const { tokens } of dataset) {
    const values = tokens.values as Int32Array;
    const letters = tokenizer.decode(values).match(/[a-z]/g)?.length ?? 0;
    if (!best || letters > best.letters) best = { tokens: values, letters };
    if (--left === 0) break;
  }
  return best?.tokens;
}
