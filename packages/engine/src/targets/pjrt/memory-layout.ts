import { STRUCTS } from './layout';
import { words } from './memory';
import { Struct, type NativeMemory } from './structs';

const TILED = 0;
const known = new Map<number, NativeMemory>();

/** A PJRT_Buffer_MemoryLayout for tensors whose last dimension varies fastest, as everywhere in Graft. */
export function rowMajor(rank: number): NativeMemory {
  const found = known.get(rank);
  if (found) return found;
  const layout = new Struct(STRUCTS.Buffer_MemoryLayout);
  const tiled = new Struct(STRUCTS.Buffer_MemoryLayout_Tiled, {
    array: layout.bytes,
    offset: STRUCTS.Buffer_MemoryLayout.fields.tiled[0],
  });
  tiled.set('minor_to_major', words(Array.from({ length: rank }, (_, i) => rank - 1 - i)));
  tiled.set('minor_to_major_size', rank);
  layout.set('type', TILED);
  const memory = { bytes: layout.bytes, tiled };
  known.set(rank, memory);
  return memory;
}
