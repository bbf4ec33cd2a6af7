/** Small models in place of the two real ones, of the same families, and small texts. */
import { modelOptions, resolveModelConfig, type GemmaConfig } from '@graft/gemma';
import { writeTiny } from '@graft/gemma/test-support/tiny-gemma';
import { trainTokenizer } from '@graft/text';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName } from '../arms';
import type { ModelPlaces } from '../prepare';

const SUBJECTS = ['the encoder', 'a tokenizer', 'every window', 'this parser', 'one stream', 'the bundler'];
const VERBS = ['reads', 'writes', 'checks', 'drops', 'repeats', 'returns'];
const OBJECTS = ['a file', 'its options', 'the first row', 'all errors', 'no promise', 'the buffer'];

/** A folder of Markdown files that differ. */
export function writeTexts(folder: string, files = 40): string {
  mkdirSync(folder, { recursive: true });
  for (let file = 0; file < files; file++) {
    const lines = Array.from({ length: 12 }, (_, line) => {
      const at = (list: readonly string[], factor: number): string => list[(file * factor + line) % list.length];
      return `In part ${file}.${line} ${at(SUBJECTS, 5)} ${at(VERBS, 3)} ${at(OBJECTS, 7)}, and ${at(SUBJECTS, 2)} ${at(VERBS, 4)} it.`;
    });
    writeFileSync(join(folder, `${file}.md`), lines.join('\n'));
  }
  return folder;
}

const SIDES = {
  'gemma-3-270m': { family: 'gemma3', hidden: 16, vocabulary: 340 },
  'smollm2-135m-instruct': { family: 'llama', hidden: 12, vocabulary: 300 },
} as const;

/** A folder for each model, with its own tokenizer of these texts. */
export async function writeModels(folder: string, texts: string): Promise<ModelPlaces> {
  const places = new Map<ModelName, string>();
  for (const [name, { family, hidden, vocabulary }] of Object.entries(SIDES)) {
    const tokenizer = join(folder, `${name}-tokenizer`);
    const { vocabularySize } = await trainTokenizer(tokenizer, {
      files: join(texts, '*.md'),
      vocabularySize: vocabulary,
    });
    const decoder = { layers: 2, hidden, feedForward: 20, heads: 2, keyValueHeads: 1, headDim: 8 };
    const options = modelOptions.parse({ kind: 'decoder-only', family, vocabularySize, decoder });
    const place = await writeTiny(join(folder, name), { config: resolveModelConfig(options) as GemmaConfig });
    for (const file of readdirSync(tokenizer)) copyFileSync(join(tokenizer, file), join(place, file));
    places.set(name as ModelName, place);
  }
  return places;
}
