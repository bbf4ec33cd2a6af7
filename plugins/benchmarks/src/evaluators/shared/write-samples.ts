import { makeOneFolder, writeFileAtomically } from '@graft/checkpoint/internal';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScoredSamples } from './score-samples';

/** What the files of an evaluation contain. */
export interface SampleFiles extends ScoredSamples {
  /** The evaluator's, from the config. */
  readonly name: string;
  readonly step: number;
  /** The evaluator's, without secrets. */
  readonly options: unknown;
}

/**
 * Writes `samples/NAME-step-N.jsonl`, one sample a line, and `samples/NAME-step-N.json` with options, metrics and
 * signatures to a run's folder. Both replace those of an earlier attempt.
 */
export async function writeSamples(
  folder: string,
  { name, step, options, samples, metrics, signatures }: SampleFiles,
): Promise<void> {
  const own = join(folder, 'samples');
  // Not the run's folder itself: a deleted one must not reappear with only samples.
  await makeOneFolder(own);
  // A name may contain any character.
  const file = join(own, `${encodeURIComponent(name)}-step-${step}`);
  const lines = samples.map((sample, row) => `${JSON.stringify({ row, ...sample })}\n`).join('');
  const summary = `${JSON.stringify({ step, metrics, signatures, options }, null, 2)}\n`;
  for (const [path, text] of Object.entries({ [`${file}.jsonl`]: lines, [`${file}.json`]: summary }))
    await writeFileAtomically(path, (temporary) => writeFile(temporary, text), { makeParents: false });
}
