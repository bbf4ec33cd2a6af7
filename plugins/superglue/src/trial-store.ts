import { makeOneFolder } from '@graft/checkpoint/internal';
import { DataError } from '@graft/core';
import { readJsonFile } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochResult, Trial } from './epochs';

/** The record of one trial: enough to choose the best without repeating it. */
export interface TrialRecord {
  readonly task: string;
  readonly trial: Trial;
  readonly epochs: readonly EpochResult[];
  /** Why it ended before its last epoch: the loss became NaN or infinite. */
  readonly diverged?: string;
  readonly seconds: number;
}

/**
 * Finished trials as files in a folder of the run, so that an interrupted evaluation can continue. Each belongs to
 * everything that determines its numbers, `conditions`: with other conditions it is repeated.
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
    // Not the run's folder itself: a deleted one must not reappear with only a trial.
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
