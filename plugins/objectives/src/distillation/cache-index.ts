/** index.json of a teacher's cache: its teacher and settings, and the list of its shards. */
import { isPlainFileName, readJsonObject, writeFileAtomically } from '@graft/checkpoint/internal';
import { DataError, fieldProblem } from '@graft/core';
import { shortened } from '@graft/core/internal';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** Token ids are int32, and real vocabularies are far smaller than this. */
const MAX_VOCABULARY = 2 ** 28;
/** Maximum number of positions in a shard, whose `offsets` are int32. */
const MAX_POSITIONS = 2 ** 31 - 1;
/** 64 TiB with shards of the usual 256 MiB. */
const MAX_SHARDS = 2 ** 18;
/** A Map contains the keys, and cannot have more of them. */
const MAX_SEQUENCES = 2 ** 24 - 1;

const count = z.int().nonnegative();

export const CACHE_SELECTIONS = ['top', 'sample'] as const;

const indexSchema = z.strictObject({
  format: z.literal('graft-teacher-cache'),
  version: z.literal(1),
  /** `path` was the teacher's folder, for humans only; the fingerprint identifies the teacher. */
  teacher: z.strictObject({ fingerprint: z.string(), path: z.string() }),
  vocabulary: count.max(MAX_VOCABULARY),
  /** Number of tokens stored per distribution. */
  topK: z.int().positive(),
  /** `top`: the most probable tokens. `sample`: tokens drawn by their probability, without replacement. */
  selection: z.enum(CACHE_SELECTIONS).default('top'),
  temperature: z.number().positive(),
  /**
   * Whether the teacher read a start token before each sequence. Absent in caches older than this option, whose
   * teachers read none.
   */
  bos: z.boolean().optional(),
  dtype: z.enum(['F16', 'F32']),
  shards: z
    .array(z.strictObject({ file: z.string(), sequences: count, positions: count.max(MAX_POSITIONS) }))
    .max(MAX_SHARDS),
  /**
   * For each config: the number of steps whose sequences are all in the cache, and the position of the data after them.
   */
  progress: z.record(z.string(), z.strictObject({ step: count, data: z.json() })).default({}),
});

/** The contents of a teacher cache's index file. */
export type TeacherCacheIndex = z.output<typeof indexSchema>;

export const INDEX_FILE = 'index.json';

/**
 * undefined if the folder does not contain a cache. Throws DataError for an index in another format or of another
 * version.
 */
export async function readCacheIndex(folder: string): Promise<TeacherCacheIndex | undefined> {
  const file = join(folder, INDEX_FILE);
  if (!existsSync(file)) return undefined;
  const parsed = indexSchema.safeParse(await readJsonObject(file));
  const problem = parsed.success ? problemOfIndex(parsed.data) : fieldProblem(parsed.error, 'it');
  if (parsed.success && problem === undefined) return parsed.data;
  throw new DataError(`${file} is not the index of a teacher's cache: ${problem}.`, {
    code: 'distillation.cache-index',
    exitCode: 2,
  });
}

export async function writeCacheIndex(folder: string, index: TeacherCacheIndex): Promise<void> {
  await writeFileAtomically(join(folder, INDEX_FILE), (file) => writeFile(file, `${JSON.stringify(index, null, 2)}\n`));
}

/** Describes a contradiction in an index whose fields have the right types; undefined if there is none. */
function problemOfIndex({ topK, vocabulary, shards }: TeacherCacheIndex): string | undefined {
  if (topK > vocabulary) return `topK is ${topK}, but the vocabulary has ${vocabulary} tokens`;
  const sequences = shards.reduce((sum, shard) => sum + shard.sequences, 0);
  if (sequences > MAX_SEQUENCES)
    return `its shards have ${sequences} sequences together; Graft takes at most ${MAX_SEQUENCES} in one cache`;
  const files = new Set<string>();
  for (const { file } of shards) {
    if (!isPlainFileName(file))
      return `it has the shard ${shortened(JSON.stringify(file), 120)}, expected the name of a file beside it`;
    if (files.has(file)) return `it has the shard ${JSON.stringify(file)} twice`;
    files.add(file);
  }
  return undefined;
}
