import type { CheckpointReader } from '@graft/checkpoint';
import type { CheckpointStorage } from '@graft/core';
import { familyOf } from '../families';
import type { AnyGemmaConfig } from '../model/config-types';
import { TIED_OUTPUT_NAMES } from '../model/names';
import { storedName } from './declared-tensors';
import { checkSharedTable } from './shared-table';

/**
 * How a folder stores a model. Refuses two different embedding tables where the model has one: the encoder's is then a
 * copy of the decoder's.
 */
export async function gemmaStorage(reader: CheckpointReader, config: AnyGemmaConfig): Promise<CheckpointStorage> {
  const { tensors } = reader;
  const { names, redundant = TIED_OUTPUT_NAMES, carries } = familyOf(config);
  const { encoderTable, decoderTable } = names;
  const oneTable = config.kind === 'encoder-decoder' && config.tieEncoderEmbedding && encoderTable !== decoderTable;
  const copied = oneTable && tensors.has(encoderTable);
  if (copied && tensors.has(decoderTable))
    await checkSharedTable({ reader, name: encoderTable }, { reader, name: decoderTable });
  return {
    nameOf: (name) => storedName(name, reader, config),
    ...(carries && { carried: [...tensors.keys()].filter((name) => carries(name)) }),
    redundant: [...redundant, ...(copied ? [encoderTable] : [])],
  };
}
