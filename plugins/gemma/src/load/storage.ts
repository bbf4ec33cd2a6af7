import type { CheckpointReader } from '@graft/checkpoint';
import type { CheckpointStorage } from '@graft/core';
import { DECODER_EMBEDDING, ENCODER_EMBEDDING, TIED_OUTPUT_NAMES } from '../model/parameters';
import { storedName } from './declared-tensors';
import { checkSharedTable } from './shared-table';

/**
 * How a folder stores a Gemma. Refuses two different embedding tables where the model has one (`oneTable`): the
 * encoder's is then a copy of the decoder's.
 */
export async function gemmaStorage(
  reader: CheckpointReader,
  { kind, oneTable = false }: { readonly kind: string; readonly oneTable?: boolean },
): Promise<CheckpointStorage> {
  const { tensors } = reader;
  const copied = oneTable && tensors.has(ENCODER_EMBEDDING);
  if (copied && tensors.has(DECODER_EMBEDDING))
    await checkSharedTable({ reader, name: ENCODER_EMBEDDING }, { reader, name: DECODER_EMBEDDING });
  return {
    nameOf: (name) => storedName(name, reader, { kind }),
    redundant: [...TIED_OUTPUT_NAMES, ...(copied ? [ENCODER_EMBEDDING] : [])],
  };
}
