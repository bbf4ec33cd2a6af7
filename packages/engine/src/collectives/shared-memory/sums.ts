import type { tf } from '../../tf';
import { addSlabs } from './add-slabs';
import { GRAIN_BYTES, SUM_SLOTS } from './layout';
import { TensorReader, TensorWriter, totalBytes } from './sequence';
import { checkSize, writeSize, type Shared } from './shared';

const ELEMENT_BYTES = 4;

/**
 * Sums over all workers, one after the other. Values go through the shared memory in pieces: while one piece is copied
 * in, the previous one is added up, and the one before that is copied out. Every worker adds up a part of each piece,
 * over all workers in the order of their ranks, so that all get the same sum, to the last bit.
 */
export class Sums {
  /** Number of pieces of earlier sums. */
  private before = 0;
  private readonly everyone: readonly number[];
  /** By slot, then by rank. */
  private readonly slabs: readonly (readonly Float32Array[])[];

  constructor(private readonly shared: Shared) {
    const { layout, memory, rank, others } = shared;
    this.everyone = [rank, ...others].sort((a, b) => a - b);
    this.slabs = Array.from({ length: SUM_SLOTS }, (_, slot) =>
      this.everyone.map((worker) => memory.floats(layout.sumSlab(worker, slot), layout.pieceBytes)),
    );
  }

  /** Takes ownership of the float32 tensors. */
  async add(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]> {
    const { layout, memory, signals, others, rank, tensors: tensorMemory } = this.shared;
    const size = totalBytes(tensors);
    const pieces = Math.ceil(size / layout.pieceBytes);
    const first = this.before;
    this.before += pieces;
    const specs = tensors.map(({ shape, dtype }) => ({ shape, dtype }));
    const reader = new TensorReader(tensorMemory, tensors, (tensor) => tensor.dispose());
    const writer = new TensorWriter(tensorMemory, specs);
    const bytesOf = (piece: number): number => Math.min(layout.pieceBytes, size - (piece - first) * layout.pieceBytes);
    const slab = (worker: number, piece: number): bigint => memory.address(layout.sumSlab(worker, piece % SUM_SLOTS));
    const end = first + pieces;
    try {
      writeSize(memory, layout.sumSize(rank), size);
      for (let piece = first; piece < end + 2; piece++) {
        if (piece < end) {
          // The slot is free once every worker has copied out its contents.
          await this.reached('taken', piece - SUM_SLOTS);
          await reader.read(slab(rank, piece), bytesOf(piece));
          signals.post(layout.contributed(rank), piece + 1, others);
        }
        const adding = piece - 1;
        if (adding >= first && adding < end) {
          await this.reached('contributed', adding);
          if (adding === first) for (const other of others) checkSize(this.shared, layout.sumSize(other), other, size);
          this.addOwnPart(adding, bytesOf(adding));
          signals.post(layout.added(rank), adding + 1, others);
        }
        const outgoing = piece - 2;
        if (outgoing >= first) {
          await this.reached('added', outgoing);
          writer.write(slab(0, outgoing), bytesOf(outgoing));
          signals.post(layout.taken(rank), outgoing + 1, others);
        }
      }
      return writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    } finally {
      reader.close();
      for (const tensor of tensors) if (!tensor.isDisposed) tensor.dispose();
    }
  }

  private reached(counter: 'contributed' | 'added' | 'taken', piece: number): Promise<void> {
    const { layout, signals } = this.shared;
    return signals.until(() =>
      this.everyone.every((worker) => signals.hasReached(worker, layout[counter](worker), piece + 1)),
    );
  }

  private addOwnPart(piece: number, bytes: number): void {
    const count = this.everyone.length;
    const part = Math.ceil(bytes / count / GRAIN_BYTES) * GRAIN_BYTES;
    const start = Math.min(bytes, this.shared.rank * part);
    const end = Math.min(bytes, start + part);
    addSlabs(this.slabs[piece % SUM_SLOTS], start / ELEMENT_BYTES, end / ELEMENT_BYTES);
  }
}
