import { modelInput, type HostArray, type LoadedModel, type Tokenizer } from '@graft/core';
import { generate, loadModel } from '@graft/gemma';
import { HuggingFaceTokenizer } from '@graft/text';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arm, ModelName } from './arms';
import type { Story } from './arm-runs';
import { lastCheckpoint } from './checkpoints';
import type { Row } from './rows';
import { readJson, writeJson } from './stored';

/** What each model writes after the same sources. */
export interface Samples {
  /** Held-out rows. */
  readonly rows: readonly Row[];
  /** The checkpoint of each arm, and its continuation of each source. */
  readonly arms: Readonly<Record<string, { readonly checkpoint: string; readonly texts: readonly string[] }>>;
}

export const SAMPLES_FILE = 'samples.json';
const ROWS = 2;
const NEW_TOKENS = 48;

/** Writes samples.json: greedy continuations. Those of checkpoints that were asked before are kept. */
export async function writeSamples(story: Story, runs: ReadonlyMap<Arm, string>): Promise<void> {
  const file = join(story.folder, SAMPLES_FILE);
  const before = (await readJson(file)) as Samples | undefined;
  const rows = await wordiest(join(story.rows.folder, 'held-out.jsonl'));
  const arms: Record<string, Samples['arms'][string]> = {};
  for (const [arm, run] of runs) {
    const checkpoint = await lastCheckpoint(run);
    const known = before?.arms[arm.name];
    if (known?.checkpoint === checkpoint) arms[arm.name] = known;
    else {
      story.logger.info(`Samples: ${arm.title}`);
      arms[arm.name] = { checkpoint, texts: await continuations(story, arm, { checkpoint, rows }) };
    }
    await writeJson(file, { rows, arms });
  }
}

/** The rows with the most letters in their sources: tables and code tell a reader little. */
async function wordiest(file: string): Promise<Row[]> {
  const rows = (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
  const letters = ({ source }: Row): number => (source.match(/[a-z]/g)?.length ?? 0) / source.length;
  return rows.sort((a, b) => letters(b) - letters(a)).slice(0, ROWS);
}

async function continuations(
  { engine, models }: Story,
  { tokenizers }: Arm,
  { checkpoint, rows }: { checkpoint: string; rows: readonly Row[] },
): Promise<string[]> {
  const open = (name: ModelName): Promise<Tokenizer> => HuggingFaceTokenizer.open({ path: models.get(name)! });
  const decoder = await open(tokenizers.decoder);
  const reader = tokenizers.encoder === undefined ? decoder : await open(tokenizers.encoder);
  const loaded = await loadModel(checkpoint);
  try {
    const texts: string[] = [];
    for (const { source } of rows)
      texts.push(decoder.decode(await continueText(engine, loaded, reader.encode(source))));
    return texts;
  } finally {
    loaded.dispose();
  }
}

/** The new tokens after a source that the encoder reads, or a decoder-only model. */
async function continueText(
  engine: Story['engine'],
  { model, parameters }: Pick<LoadedModel, 'model' | 'parameters'>,
  source: Int32Array,
): Promise<Int32Array> {
  const input = Int32Array.from(modelInput(model, source));
  const fields = { input_ids: { dtype: 'int32', shape: [1, input.length], values: input } satisfies HostArray };
  const [sequence] = await generate(engine, model, parameters, { fields, maxNewTokens: NEW_TOKENS });
  return sequence.subarray(model.kind === 'decoder-only' ? input.length : 1);
}
