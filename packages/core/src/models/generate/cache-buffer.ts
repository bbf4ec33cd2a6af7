import { DataError, tf, type Engine, type Jitted } from '@graft/engine';
import type { Decoding, DecodingCache } from '../../interfaces';
import { availableMemory, formatMemory } from '../../training/memory';

/**
 * Moves the recent part of a cache into the long part when the family's `folding` requires it; compiled once per shape.
 */
export class CacheBuffer {
  private readonly merged: Jitted<[DecodingCache, tf.Tensor], DecodingCache> | undefined;

  constructor(
    engine: Engine,
    private readonly folding: Decoding['folding'],
  ) {
    this.merged =
      folding &&
      engine.jit((cache: DecodingCache, position: tf.Tensor): DecodingCache => folding.fold(cache, position), {
        name: 'foldCache',
      });
  }

  /** The cache for the position after `position` (the last processed token). Takes ownership of `cache`. */
  async advance(cache: DecodingCache, position: number): Promise<DecodingCache> {
    if (!this.merged || (position + 1) % this.folding!.every !== 0) return cache;
    const at = tf.scalar(position, 'int32');
    const next = await this.merged.enqueue(cache, at);
    tf.dispose([at, cache] as tf.TensorContainer);
    return next;
  }

  dispose(): void {
    this.merged?.dispose();
  }
}

/**
 * Throws DataError if the cache of `rows` sequences of at most `capacity` positions does not fit into memory.
 * Generation reserves this memory for all of them at the start.
 */
export function checkCacheMemory(
  decoding: Pick<Decoding, 'cacheBytes'>,
  rows: number,
  capacity: number,
  available = availableMemory(),
): void {
  const bytes = decoding.cacheBytes?.(rows, capacity) ?? 0;
  if (bytes <= available) return;
  throw new DataError(
    `Keys and values of ${rows.toLocaleString('en')} sequences of up to ${capacity.toLocaleString('en')} tokens take ${formatMemory(bytes)} of memory, and ${formatMemory(available)} are free.`,
    {
      code: 'generation.cache-memory',
      exitCode: 2,
      hint: 'Ask for fewer new tokens (maxNewTokens, --max-new-tokens), beams or sequences at a time.',
    },
  );
}
