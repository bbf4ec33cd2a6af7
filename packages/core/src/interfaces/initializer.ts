import type { tf } from '@graft/engine';
import type { RandomStream } from '../random/streams';
import type { JsonValue } from './json';
import type { Model } from './model';

/**
 * Provides a model's parameters: mapped from checkpoints, random, or loaded. Streams them, and never has two models in
 * memory.
 */
export interface Initializer {
  /** The config.json that the parameters require; undefined if only the config's `model:` section decides. */
  checkpointConfig(): Promise<Record<string, unknown> | undefined>;
  /** The generation_config.json that belongs to the parameters. Default: none. */
  generationConfig?(): Promise<Record<string, unknown> | undefined>;
  /**
   * Folder of the checkpoint whose carried tensors (see `CheckpointStorage.carried`) the run's checkpoints keep. Default:
   * there are none.
   */
  carriedFrom?(): string;
  /**
   * Sections of graft.json, by name, that the run's checkpoints keep: how the parameters of this model were made, for
   * tools that need to know. They replace those of the checkpoints that the initializer reads. Default: none.
   */
  record?(model: Model): Promise<Readonly<Record<string, JsonValue>>>;
  /** Yields every parameter of the model once, in any order. The consumer owns the tensors. */
  parameters(model: Model, random: RandomStream): AsyncIterable<readonly [name: string, value: tf.Tensor]>;
}
