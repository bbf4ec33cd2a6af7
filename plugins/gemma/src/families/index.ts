/** The families of models, one line each. */
import { GraftError } from '@graft/core';
import type { AnyGemmaConfig } from '../model/config-types';
import type { Family } from './family';
import { gemma2 } from './gemma2';
import { gemma3 } from './gemma3';
import { graftOf } from './graft';
import { llama } from './llama';
import { qwen3 } from './qwen3';
import { t5gemma } from './t5gemma';
import { t5gemma2 } from './t5gemma2';

export type { Family } from './family';

/** Families of decoder-only models: the layers that a side of Graft's own layout can have. */
const DECODER_ONLY: readonly Family[] = [gemma2, gemma3, llama, qwen3];

/** All families. */
export const FAMILIES: readonly Family[] = [...DECODER_ONLY, t5gemma, t5gemma2, graftOf(DECODER_ONLY)];

/** Their names in a config's `model:` section. */
export const FAMILY_IDS: readonly string[] = FAMILIES.map(({ id }) => id);

/** All values of `model_type` that these families read. */
export const MODEL_TYPES: readonly string[] = FAMILIES.flatMap(({ modelTypes }) => modelTypes);

/** The family of a config. Throws GraftError for an unknown name, which only code can make. */
export function familyOf({ family }: Pick<AnyGemmaConfig, 'family'>): Family {
  const found = FAMILIES.find(({ id }) => id === family);
  if (found) return found;
  throw new GraftError(`There is no model family "${family}"; the families are ${FAMILY_IDS.join(', ')}.`, {
    code: 'gemma.family',
  });
}

/** The family that reads a config.json of this `model_type`, if there is one. */
export const familyOfType = (type: unknown): Family | undefined =>
  FAMILIES.find(({ modelTypes }) => (modelTypes as readonly unknown[]).includes(type));
