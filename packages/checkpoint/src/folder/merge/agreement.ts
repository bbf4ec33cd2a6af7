import { CheckpointError, isObject, listed, shownJson } from '@graft/errors';
import { isDeepStrictEqual } from 'node:util';
import { describeTensor, type TensorInfo } from '../../safetensors/header';
import type { CheckpointReader } from '../checkpoint-reader';

/** Records who wrote a checkpoint, not its content. */
const IRRELEVANT_KEYS = ['_name_or_path', 'transformers_version'];

/** What a fine-tuned checkpoint may say otherwise than its base: tokens, dtypes, and caches. */
const TUNED_KEYS = /(^|\.)((bos|eos|pad)_token_id|(torch_)?dtype|use_cache|cache_implementation)$/;

const NAMED_DIFFERENCES = 3;
const SHOWN_CHARACTERS = 60;

const shown = (value: unknown): string => shownJson(value, 'not set', SHOWN_CHARACTERS);

/** The error for two checkpoints that are not of one model; `how`: a clause. */
export function differ(first: CheckpointReader, other: CheckpointReader, how: string): CheckpointError {
  return new CheckpointError(`${first.path} and ${other.path} cannot be averaged: ${how}.`, {
    code: 'checkpoint.average',
    exitCode: 2,
    hint: 'Average checkpoints of one model.',
  });
}

/**
 * Keys by path (`decoder.hidden_size`) whose values differ; everything that is not an object is compared as a whole.
 */
function differences(one: unknown, two: unknown, path = ''): { path: string; one: unknown; two: unknown }[] {
  if (isDeepStrictEqual(one, two)) return [];
  if (!isObject(one) || !isObject(two)) return [{ path, one, two }];
  return [...new Set([...Object.keys(one), ...Object.keys(two)])].flatMap((key) =>
    differences(one[key], two[key], path === '' ? key : `${path}.${key}`),
  );
}

/**
 * Throws CheckpointError if two checkpoints are not of one model: their configs, names, shapes or dtypes differ. `tuned`:
 * the second is a fine-tuned first, whose special tokens and dtypes may be others.
 */
export async function checkAgreement(
  first: CheckpointReader,
  other: CheckpointReader,
  { tuned = false }: { readonly tuned?: boolean } = {},
): Promise<void> {
  const found = differences(await first.config(), await other.config()).filter(
    ({ path }) => !IRRELEVANT_KEYS.includes(path) && !(tuned && TUNED_KEYS.test(path)),
  );
  if (found.length > 0) {
    const named = found.map(({ path, one, two }, i) => {
      const where = i === 0 ? ' in config.json' : '';
      return `"${path}"${where} is ${shown(one)} and ${shown(two)}`;
    });
    throw differ(first, other, listed(named, NAMED_DIFFERENCES, ', ', ', and'));
  }
  const describe = (info: TensorInfo): string => (tuned ? `[${info.shape.join(', ')}]` : describeTensor(info));
  for (const info of first.tensors.values()) {
    const twin = other.tensors.get(info.name);
    if (!twin) throw differ(first, other, `"${info.name}" is only in the first`);
    const [one, two] = [describe(info), describe(twin)];
    if (one !== two) throw differ(first, other, `"${info.name}" is ${one} and ${two}`);
  }
  const extra = [...other.tensors.keys()].find((name) => !first.tensors.has(name));
  if (extra !== undefined) throw differ(first, other, `"${extra}" is only in the second`);
}
