import type { DataFile } from '../find-files';
import { readContents, readStored, type Contents, type GroupWanted, type StoredColumn } from './contents';
import type { Progress } from './progress';
import { reasonOf } from './problems';

export type Question =
  { readonly kind: 'contents'; readonly file: DataFile } | ({ readonly kind: 'group' } & GroupWanted);

/** `reason`: why the file cannot be read, as a clause. */
export type Answer =
  | { readonly contents: Contents }
  | { readonly columns: readonly StoredColumn[]; readonly rows: number }
  | { readonly reason: string };

/**
 * Answers a question, whatever the file contains. `memory`: buffers that may be transferred with the answer instead of
 * being copied.
 */
export async function perform(
  question: Question,
  progress: Progress,
): Promise<{ readonly answer: Answer; readonly memory: ArrayBuffer[] }> {
  try {
    if (question.kind === 'contents')
      return { answer: { contents: await readContents(question.file, progress) }, memory: [] };
    const { columns, memory } = await readStored(question, progress);
    return { answer: { columns, rows: Number(question.group.num_rows) }, memory: [...memory] };
  } catch (cause) {
    return { answer: { reason: reasonOf(cause) }, memory: [] };
  }
}
