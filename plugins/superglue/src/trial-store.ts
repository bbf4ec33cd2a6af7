import { makeOneFolder } from '@graft/checkpoint';
import { DataError, readJsonFile } from '@graft/core';
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochResult, Trial } from './fine-tune';

/** What is kept of one trial: enough to choose the best without doing it again. */
export interface TrialRecord {
  readonly task: string;
  readonly trial: Trial;
  readonly epochs: readonly EpochResult[];
  /** Why it ended before its last epoch: the loss was not a number any more. */
  readonly diverged?: string;
  readonly seconds: number;
}

/**
 * Finished trials as files of a folder in the run, so that an evaluation that was interrupted goes on where it was. Each
 * belongs to everything that decides its numbers, `conditions`: with others it is done again.
 */
export class TrialStore {
  constructor(private readonly folder: string | undefined) {}

  async find(task: string, conditions: object): Promise<TrialRecord | undefined> {
    if (this.folder === undefined) return undefined;
    const file = this.file(task, conditions);
    try {
      return ((await readJsonFile(file)) as { record: TrialRecord }).record;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new DataError(`${file} does not hold a trial's record.`, {
        code: 'superglue.record',
        hint: 'Remove it: the trial will be done again.',
        cause,
      });
    }
  }

  async keep(record: TrialRecord, conditions: object): Promise<void> {
    if (this.folder === undefined) return;
    // Not the run's folder around it: one that was deleted must not come back with a trial alone.
    await makeOneFolder(this.folder);
    const file = this.file(record.task, conditions);
    await writeFile(`${file}.tmp`, `${JSON.stringify({ record, conditions }, null, 2)}\n`);
    await rename(`${file}.tmp`, file);
  }

  private file(task: string, conditions: object): string {
    const digest = createHash('sha256').update(JSON.stringify(conditions)).digest('hex');
    return join(this.folder!, `${task}-${digest.slice(0, 12)}.json`);
  }
}
