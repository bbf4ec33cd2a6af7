import {
  createComponentFactory,
  createRandom,
  evaluatorSection,
  type ComponentSpec,
  type LoadedExperiment,
  type Logger,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { generate, loadModel } from '@graft/gemma';

/** What each model says to the first half of a held-out piece of text. */
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
  const { value } = await dataset[Symbol.asyncIterator]().next();
  dataset.dispose?.();
  if (!value) return [];
  const tokens = value.tokens.values as Int32Array;
  const source = tokens.subarray(0, tokens.length >> 1);
  const show = (ids: Int32Array): string => indent(tokenizer.decode(ids));
  const lines = [
    '',
    'Given, from a held-out text:',
    show(source),
    'How it goes on:',
    show(tokens.subarray(source.length)),
  ];
  for (const [name, folder] of Object.entries(models)) {
    const checkpoint = await loadModel(folder);
    const { model, parameters } = checkpoint;
    try {
      const fields = { input_ids: { dtype: 'int32' as const, shape: [1, source.length], values: source } };
      const [sequence] = await generate(engine, model, parameters, {
        fields,
        maxNewTokens: Math.min(96, tokens.length - source.length),
      });
      lines.push(`What the model says, ${name}:`, show(sequence.subarray(1)));
    } finally {
      checkpoint.dispose();
    }
  }
  return lines;
}

function indent(text: string): string {
  return text.replace(/\r/g, '').replace(/^/gm, '  | ');
}
