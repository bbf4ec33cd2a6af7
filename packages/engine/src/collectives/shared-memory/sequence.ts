import { copyNative, type Pointer } from '../../foreign/memory';
import { tf } from '../../tf';
import type { TensorSpec } from '../types';
import type { TensorView, MemoryRegion, TensorMemory, Unfinished } from './tensor-memory';
import { elementCount } from '../../shape';

const ELEMENT_BYTES = 4;

export const bytesOf = ({ shape }: TensorSpec): number => ELEMENT_BYTES * elementCount(shape);
export const totalBytes = (specs: readonly TensorSpec[]): number => specs.reduce((sum, spec) => sum + bytesOf(spec), 0);

const at = (region: MemoryRegion, offset: number): MemoryRegion =>
  typeof region === 'bigint' ? region + BigInt(offset) : region.subarray(offset);

/** Reads the values of tensors as one sequence of bytes, from start to end. */
export class TensorReader {
  private next = 0;
  private offset = 0;
  private view: TensorView | undefined;

  /** Calls `onRead` for each tensor as soon as all its values have been read; an empty one has none. */
  constructor(
    private readonly memory: TensorMemory,
    private readonly tensors: readonly tf.Tensor[],
    private readonly onRead: (tensor: tf.Tensor) => void = () => undefined,
  ) {}

  /** Copies the next bytes; the tensors must have that many left. */
  async read(to: Pointer, bytes: number): Promise<void> {
    for (let done = 0; done < bytes;) {
      const tensor = this.tensors[this.next];
      const size = bytesOf(tensor);
      if (size > 0) {
        this.view ??= await this.memory.view(tensor);
        const length = Math.min(bytes - done, size - this.offset);
        copyNative(to + BigInt(done), at(this.view.region, this.offset), length);
        done += length;
        this.offset += length;
      }
      if (this.offset === size) this.advance(tensor);
    }
  }

  /** Releases the view that is still open. */
  close(): void {
    this.view?.release();
    this.view = undefined;
  }

  private advance(tensor: tf.Tensor): void {
    this.close();
    this.next++;
    this.offset = 0;
    this.onRead(tensor);
  }
}

/** Makes new tensors from one sequence of bytes. Each allocates memory when its first values arrive. */
export class TensorWriter {
  private readonly made: tf.Tensor[] = [];
  private offset = 0;
  private current: Unfinished | undefined;

  constructor(
    private readonly memory: TensorMemory,
    private readonly specs: readonly TensorSpec[],
  ) {}

  write(from: Pointer, bytes: number): void {
    for (let done = 0; done < bytes;) {
      this.skipEmpty();
      const spec = this.specs[this.made.length];
      const size = bytesOf(spec);
      this.current ??= this.memory.begin(spec);
      const length = Math.min(bytes - done, size - this.offset);
      copyNative(at(this.current.region, this.offset), from + BigInt(done), length);
      done += length;
      this.offset += length;
      if (this.offset < size) return;
      this.made.push(this.current.finish());
      this.current = undefined;
      this.offset = 0;
    }
  }

  /** The tensors, once all bytes have been written. */
  finish(): tf.Tensor[] {
    this.skipEmpty();
    return this.made;
  }

  /** Frees everything that was made. */
  abandon(): void {
    this.current?.abandon();
    this.current = undefined;
    tf.dispose(this.made);
  }

  private skipEmpty(): void {
    for (let spec = this.specs[this.made.length]; spec && bytesOf(spec) === 0; spec = this.specs[this.made.length])
      this.made.push(tf.zeros([...spec.shape], spec.dtype as 'float32' | 'int32'));
  }
}
