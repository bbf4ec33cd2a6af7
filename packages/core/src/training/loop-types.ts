import type { TensorSource } from '@graft/checkpoint';
import type { Engine, Precision } from '@graft/engine';
import type { Dataset, JsonValue, Model, Objective, Optimizer, RunInfo, Schedule } from '../interfaces';
import type { Logger } from '../util/logger';
import type { RandomStream } from '../random/streams';
import type { EvaluationRecord, NamedEvaluator } from '../evaluation/evaluations';
import type { NamedCallback } from './callbacks';
import type { LossMonitorSettings } from './loss-monitor';
import type { StopWhen, WatchedMetric } from './metric-choice';
import type { ParameterGroupSettings } from './parameter-groups';
import type { ParameterStorage } from './parameter-storage';
import type { RunSink } from './run-sink';
import type { Trackers } from './trackers';
import type { TrainingState } from './update';
import type { Placement } from '../distributed/placement';

export interface TrainingParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly dataset: Dataset;
  readonly evaluators: readonly NamedEvaluator[];
  readonly trackers: Trackers;
  readonly callbacks: readonly NamedCallback[];
}

export interface TrainingSettings extends LossMonitorSettings, ParameterStorage {
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Number of micro-batches into which a batch is split. Default 1. */
  readonly microBatches?: number;
  readonly precision: Precision;
  /** Steps between checkpoints; 0: only at the end. */
  readonly checkpointEvery: number;
  readonly keepCheckpoints: number;
  /** The metric by which the best checkpoint is kept, too. Default: none. */
  readonly keepBest?: WatchedMetric;
  /** When training ends before its last step. Default: never. */
  readonly stopWhen?: StopWhen;
  /** Steps at the start in which only cross-attention trains. Default 0. */
  readonly crossAttentionWarmupSteps?: number;
  readonly groups?: readonly ParameterGroupSettings[];
  /** Decay of a moving average of the parameters. Default: there is none. */
  readonly averageDecay?: number;
  readonly logEvery: number;
}

export interface TrainingContext {
  /** Undefined in workers that leave writing and evaluating to worker 0. */
  readonly sink?: RunSink;
  /** Files next to the weights of every checkpoint, by name: a tokenizer's. Default: none. */
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
  /** Tensors that every checkpoint has besides the parameters. Default: none. */
  readonly carried?: readonly TensorSource[];
  /** See `SnapshotContents`. */
  readonly baseModel?: string;
  readonly run: RunInfo;
  readonly random: { data: RandomStream; dropout: RandomStream; sampling: RandomStream; rounding: RandomStream };
  readonly logger: Logger;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
  /** Where tensors are, and who computes what. */
  readonly placement: Placement;
  readonly onStep?: (step: number, metrics: Readonly<Record<string, number>>) => void;
}

/** How training ended. */
export interface TrainingResult {
  readonly status: 'finished' | 'interrupted';
  /** Steps done, including those before a resume. */
  readonly steps: number;
  readonly lastMetrics: Readonly<Record<string, number>>;
  readonly evaluations: readonly EvaluationRecord[];
  /**
   * If a callback or `stopWhen` ended the training before its last step: which one, and why. Only worker 0 knows it.
   */
  readonly stopped?: string;
}

/** The state with which training starts or resumes. */
export interface TrainingStart extends TrainingState {
  readonly step: number;
  /** The snapshot that contains this state, if any. */
  readonly checkpoint?: string;
  /** The states of callbacks in the snapshot, by name. */
  readonly callbacks?: Readonly<Record<string, JsonValue>>;
  /** Digest of the weights that `train.lora` freezes. */
  readonly frozenDigest?: string;
}
