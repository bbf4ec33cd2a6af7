import { WorkersError } from '@graft/errors';
import { tf } from '../../tf';
import { ChannelGroup } from '../channel-group';
import type { ControlChannel } from '../control/channel';
import { leftEarly } from '../control/node';
import { OrderedQueue } from '../ordered-queue';
import type { TensorSpec } from '../types';
import type { Layout } from './layout';
import type { SharedMemory } from './memory';
import { Signals } from './signals';
import { Sums } from './sums';
import type { TensorMemory } from './tensor-memory';
import { Transfers } from './transfers';

export interface SharedMemoryGroupOptions {
  readonly workers: readonly string[];
  readonly rank: number;
  readonly layout: Layout;
  readonly memory: SharedMemory;
  readonly tensors: TensorMemory;
}

/** A group of workers on one machine: tensors go through memory that they share, and no port is open for them. */
export class SharedMemoryGroup extends ChannelGroup {
  private readonly layout: Layout;
  private readonly memory: SharedMemory;
  private readonly signals: Signals;
  private readonly others: readonly number[];
  private readonly sums: Sums;
  private readonly transfers: Transfers;
  private readonly sumQueue = new OrderedQueue(1);
  /** Queues of transfers, by the worker that sends them. */
  private readonly transferQueues: readonly OrderedQueue[];
  /** Why no call can follow: one that ended early leaves the workers out of step. */
  private broken: Error | undefined;
  private closing: Promise<void> | undefined;

  constructor(channel: ControlChannel, { workers, rank, layout, memory, tensors }: SharedMemoryGroupOptions) {
    super(channel, workers, rank);
    this.layout = layout;
    this.memory = memory;
    this.others = workers.flatMap((_, other) => (other === rank ? [] : [other]));
    this.signals = new Signals(memory, layout, rank, channel.lost, (other) => {
      const { message, ...options } = leftEarly(`Worker ${other} (${workers[other]})`);
      return new WorkersError(message, options);
    });
    const shared = { rank, others: this.others, layout, memory, signals: this.signals, tensors };
    this.sums = new Sums(shared);
    this.transfers = new Transfers(shared);
    this.transferQueues = workers.map(() => new OrderedQueue(1));
  }

  async sum(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]> {
    let begun = false;
    try {
      const odd = tensors.find(({ dtype }) => dtype !== 'float32');
      if (odd) throw new WorkersError(`Workers sum float32 tensors, not ${odd.dtype}.`, { code: 'workers.dtype' });
      return await this.inTurn(this.sumQueue, () => {
        begun = true;
        return this.sums.add(tensors);
      });
    } catch (error) {
      if (!begun) tf.dispose([...tensors]);
      throw error;
    }
  }

  async broadcast<T extends TensorSpec>(tensors: readonly T[], from: number): Promise<tf.Tensor[]> {
    if (from !== this.rank) return this.take(tensors, from);
    const own = tensors as unknown as tf.Tensor[];
    await this.give(own, this.others);
    return own;
  }

  async send(tensor: tf.Tensor, to: number): Promise<void> {
    await this.give([tensor], [to]);
  }

  async receive(spec: TensorSpec, from: number): Promise<tf.Tensor> {
    const [tensor] = await this.take([spec], from);
    return tensor;
  }

  override async fail(reason: string): Promise<void> {
    await super.fail(reason);
    await this.close(`This worker has stopped with an error: ${reason}`);
  }

  override async leave(): Promise<void> {
    await this.drained();
    if (!this.closing) this.signals.post(this.layout.left(this.rank), 1, this.others);
    await super.leave();
    await this.close('This worker has left its group.');
  }

  private give(tensors: readonly tf.Tensor[], to: readonly number[]): Promise<void> {
    checkDtypes(tensors);
    return this.inTurn(this.transferQueues[this.rank], () => this.transfers.send(tensors, to));
  }

  private take(specs: readonly TensorSpec[], from: number): Promise<tf.Tensor[]> {
    checkDtypes(specs);
    return this.inTurn(this.transferQueues[from], () => this.transfers.receive(specs, from));
  }

  private async inTurn<T>(queue: OrderedQueue, call: () => Promise<T>): Promise<T> {
    this.check();
    return queue.run(async () => {
      this.check();
      try {
        return await call();
      } catch (error) {
        this.broken ??= error as Error;
        // Of all errors, the reason why the group has ended is the clearest.
        this.channel.check();
        throw error;
      }
    });
  }

  private check(): void {
    this.channel.check();
    if (this.broken !== undefined) throw this.broken;
  }

  private async drained(): Promise<void> {
    await Promise.all([this.sumQueue, ...this.transferQueues].map((queue) => queue.drained()));
  }

  /** Ends running calls, then frees the memory. */
  private close(reason: string): Promise<void> {
    return (this.closing ??= (async () => {
      const error = new WorkersError(reason, { code: 'workers.left' });
      this.broken ??= error;
      await this.signals.close(error);
      await this.drained();
      this.memory.close();
    })());
  }
}

function checkDtypes(specs: readonly TensorSpec[]): void {
  const odd = specs.find(({ dtype }) => dtype !== 'float32' && dtype !== 'int32');
  if (odd)
    throw new WorkersError(`Workers send float32 and int32 tensors, not ${odd.dtype}.`, { code: 'workers.dtype' });
}
