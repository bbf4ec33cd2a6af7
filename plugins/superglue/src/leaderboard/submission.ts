import { makeOneFolder, writeFileAtomically } from '@graft/checkpoint/internal';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder of files with the benchmark's names, as its page takes them in an archive. */
export class Submission {
  readonly folder: string;

  /** `runFolder`: the run's, in which the folder is made for the first file. */
  constructor(runFolder: string) {
    this.folder = join(runFolder, 'submission');
  }

  /** Writes `<name>.jsonl`, which appears whole; one of an earlier evaluation is replaced. */
  async write(name: string, lines: readonly object[]): Promise<void> {
    // Not the run's folder itself: a deleted one must not reappear with a submission alone.
    await makeOneFolder(this.folder);
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFileAtomically(join(this.folder, `${name}.jsonl`), (temporary) => writeFile(temporary, text), {
      makeParents: false,
    });
  }
}
