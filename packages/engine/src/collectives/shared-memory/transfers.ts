import type { tf } from '../../tf';
import type { TensorSpec } from '../types';
import { TRANSFER_SLOTS } from './layout';
import { TensorReader, TensorWriter, totalBytes } from './sequence';
import { checkSize, writeSize, type Shared } from './shared';

/**
 * Sends values from one worker to others, through the sender's slab in pieces: while one piece is written, the previous
 * one is read. A worker sends one transfer after the other, and receives one after the other from each worker.
 */
export class Transfers {
  /** Number of pieces so far, by the other worker. */
  private readonly sent = new Map<number, number>();
  private readonly received = new Map<number, number>();

  constructor(private readonly shared: Shared) {}

  /** Does not dispose the tensors. Resolves when all receivers have them. */
  async send(tensors: readonly tf.Tensor[], to: readonly number[]): Promise<void> {
    const { layout, memory, signals, rank, tensors: tensorMemory } = this.shared;
    const size = totalBytes(tensors);
    const pieces = Math.ceil(size / layout.pieceBytes);
    const before = new Map(to.map((other) => [other, this.sent.get(other) ?? 0]));
    const taken = (count: number): Promise<void> =>
      signals.until(() =>
        to.every((other) => signals.hasReached(other, layout.received(rank, other), before.get(other)! + count)),
      );
    const reader = new TensorReader(tensorMemory, tensors);
    try {
      for (const other of to) writeSize(memory, layout.transferSize(rank, other), size);
      for (let piece = 0; piece < pieces; piece++) {
        await taken(Math.max(0, piece - TRANSFER_SLOTS + 1));
        const bytes = Math.min(layout.pieceBytes, size - piece * layout.pieceBytes);
        await reader.read(memory.address(layout.transferSlab(rank, piece % TRANSFER_SLOTS)), bytes);
        for (const other of to) signals.post(layout.sent(rank, other), before.get(other)! + piece + 1, [other]);
      }
      await taken(pieces);
      for (const other of to) this.sent.set(other, before.get(other)! + pieces);
    } finally {
      reader.close();
    }
  }

  /** Returns new tensors. */
  async receive(specs: readonly TensorSpec[], from: number): Promise<tf.Tensor[]> {
    const { layout, memory, signals, rank, tensors: tensorMemory } = this.shared;
    const size = totalBytes(specs);
    const pieces = Math.ceil(size / layout.pieceBytes);
    const before = this.received.get(from) ?? 0;
    const writer = new TensorWriter(tensorMemory, specs);
    try {
      for (let piece = 0; piece < pieces; piece++) {
        await signals.until(() => signals.hasReached(from, layout.sent(from, rank), before + piece + 1));
        if (piece === 0) checkSize(this.shared, layout.transferSize(from, rank), from, size);
        const bytes = Math.min(layout.pieceBytes, size - piece * layout.pieceBytes);
        writer.write(memory.address(layout.transferSlab(from, piece % TRANSFER_SLOTS)), bytes);
        signals.post(layout.received(from, rank), before + piece + 1, [from]);
      }
      this.received.set(from, before + pieces);
      return writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }
}
