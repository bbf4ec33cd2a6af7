import type { CheckpointReader } from '@graft/checkpoint';
import { ConfigError } from '@graft/core';

/**
 * One table for both sides is possible only if both sides had one table: compares two stored tables byte by byte.
 * Throws ConfigError if they differ.
 */
export async function checkSharedTable(
  encoder: { reader: CheckpointReader; name: string },
  decoder: { reader: CheckpointReader; name: string },
): Promise<void> {
  const others = decoder.reader.chunks(decoder.name)[Symbol.asyncIterator]();
  let equal = encoder.reader.info(encoder.name).dtype === decoder.reader.info(decoder.name).dtype;
  if (equal) {
    for await (const chunk of encoder.reader.chunks(encoder.name)) {
      const other = await others.next();
      equal = other.done !== true && Buffer.compare(chunk, other.value) === 0;
      if (!equal) break;
    }
  }
  await others.return?.(undefined);
  if (equal) return;
  throw new ConfigError(
    `tieEncoderEmbedding asks for one embedding table, but the encoder's (${encoder.reader.path}, "${encoder.name}") and the decoder's (${decoder.reader.path}, "${decoder.name}") differ.`,
    { code: 'gemma.tied-tables', hint: 'Leave tieEncoderEmbedding out: the two tables are then two parameters.' },
  );
}
