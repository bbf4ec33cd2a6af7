import type * as tf from '@tensorflow/tfjs-core';
import type { ControlChannel } from './control/channel';
import type { Message, TensorSpec, WorkerGroup } from './types';

/** The common part of all groups: the control channel. */
export abstract class ChannelGroup implements WorkerGroup {
  protected constructor(
    protected readonly channel: ControlChannel,
    readonly addresses: readonly string[],
    readonly rank: number,
  ) {}

  get count(): number {
    return this.addresses.length;
  }

  get lost(): AbortSignal {
    return this.channel.lost;
  }

  async exchange<T>(value: T): Promise<T[]> {
    return (await this.channel.exchange(value as Message)) as T[];
  }

  abstract sum(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]>;
  abstract broadcast<T extends TensorSpec>(tensors: readonly T[], from: number): Promise<tf.Tensor[]>;
  abstract send(tensor: tf.Tensor, to: number): Promise<void>;
  abstract receive(spec: TensorSpec, from: number): Promise<tf.Tensor>;

  async fail(reason: string): Promise<void> {
    await this.channel.close({ command: 'fail', reason });
  }

  async leave(): Promise<void> {
    await this.channel.close({ command: 'leave' });
  }
}
