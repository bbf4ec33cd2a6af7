import type { tf, WorkerGroup } from '@graft/engine';
import { componentName } from '../components/calls';
import { callingDataset } from '../components/dataset-calls';
import type { TrainingConfig } from '../config';
import { checkPosition } from '../data/positions';
import { buildModel, EARLIER_POLICY, readSpecialTokens } from '../data/special-tokens';
import type { ComponentFactory, Initializer, JsonValue, Model, ModelFamily } from '../interfaces';
import { STREAMS, type RandomStream } from '../random/streams';
import type { Placement } from '../distributed/placement';
import type { TrainingParts, TrainingStart } from '../training/loop-types';
import { beginCall } from '../util/pending';
import { baseOf, LoraModel } from '../training/lora/lora-model';
import { loraParameters, type ReadParameters } from './lora-parameters';
import { fillParameters } from './parameters';
import { openCarried, type CarriedTensors } from './carried';
import { findSnapshot, hasAverage, readingSnapshot, readParameters, type FoundSnapshot } from './snapshots';
import { readStartState } from './start-state';

/** Inputs that decide where a run starts. */
export interface ResumeContext {
  readonly config: TrainingConfig;
  readonly components: ComponentFactory;
  readonly random: RandomStream;
  /** The folder of the run's snapshots; undefined in workers that receive everything from worker 0. */
  readonly checkpoints?: string;
  readonly group?: WorkerGroup;
}

/** A resume point as worker 0 sends it to the others. */
interface SentPoint {
  /** The model's checkpoint config, if the model comes from a checkpoint. */
  readonly checkpoint: JsonValue;
  /** Its generation_config.json, likewise. */
  readonly generation: JsonValue;
  readonly step: number;
  readonly data: JsonValue;
  readonly average: boolean;
  readonly withoutPolicy: boolean;
}

/** Source of the parameters of worker 0, or of a run without other workers: under `train.lora` both in a resumed run. */
interface Source {
  readonly snapshot?: FoundSnapshot;
  readonly initializer?: Initializer;
}

/**
 * Where a run starts: after its newest snapshot, or at its first step. `find` returns the model, on which the other
 * components depend; `start` then restores the data, and returns parameters and optimizer state.
 *
 * Worker 0 reads or makes everything and sends it to the others: all are equal to the last bit, and the others need no
 * checkpoints of their own.
 */
export class ResumePoint {
  /** The model as it trains. */
  readonly model: Model;

  private constructor(
    private readonly context: ResumeContext,
    family: ModelFamily,
    private readonly sent: SentPoint,
    /** Undefined in workers that receive everything from worker 0. */
    private readonly source?: Source,
  ) {
    const base = buildModel(family, fromJson(sent.checkpoint), {
      section: context.config.specialTokens,
      generationConfig: fromJson(sent.generation),
      silent: sent.withoutPolicy ? EARLIER_POLICY : undefined,
    });
    this.model = trainedForm(base, context.config.train);
  }

  static async find(context: ResumeContext, family: ModelFamily): Promise<ResumePoint> {
    const { checkpoints, components, config, group } = context;
    if (checkpoints === undefined && group) {
      const [sent] = await group.exchange<SentPoint | null>(null);
      return new ResumePoint(context, family, sent!);
    }
    // Without a folder, a training leaves nothing, and begins at its first step.
    const snapshot =
      checkpoints === undefined
        ? undefined
        : await findSnapshot(checkpoints, { seed: config.seed, steps: config.train.steps });
    const point = snapshot
      ? await ResumePoint.behind(snapshot, context, family)
      : await ResumePoint.atFirstStep(await components.create('initializer', config.initializer), context, family);
    await group?.exchange<SentPoint | null>(point.sent);
    return point;
  }

  /** Use the run's own checkpoint, not the initializer's: that may be gone or changed by now. */
  private static async behind(
    snapshot: FoundSnapshot,
    context: ResumeContext,
    family: ModelFamily,
  ): Promise<ResumePoint> {
    const { config, generationConfig, folder, state } = snapshot;
    const sent = {
      checkpoint: toJson(config),
      generation: toJson(generationConfig),
      step: state.step,
      data: state.data,
      average: await hasAverage(folder),
      withoutPolicy: readSpecialTokens(config, folder) === undefined,
    };
    const { components, config: own } = context;
    // What is frozen is not in the checkpoint.
    const initializer = own.train.lora && (await components.create('initializer', own.initializer));
    return new ResumePoint(context, family, sent, { snapshot, initializer });
  }

  private static async atFirstStep(
    initializer: Initializer,
    context: ResumeContext,
    family: ModelFamily,
  ): Promise<ResumePoint> {
    const sent = {
      checkpoint: toJson(await initializer.checkpointConfig()),
      generation: toJson(await initializer.generationConfig?.()),
      step: 0,
      data: null,
      average: false,
      withoutPolicy: false,
    };
    return new ResumePoint(context, family, sent, { initializer });
  }

  /** Whether the run began before the policy for special tokens existed, and continues without it. */
  get withoutPolicy(): boolean {
    return this.sent.withoutPolicy;
  }

  /** Steps done; undefined in a new run. */
  get resumedFromStep(): number | undefined {
    return this.sent.step > 0 ? this.sent.step : undefined;
  }

  /** What the checkpoints of the run keep besides parameters; the caller disposes it. */
  async carried(): Promise<CarriedTensors | undefined> {
    const { snapshot } = this.source ?? {};
    const folder = snapshot && !this.context.config.train.lora ? snapshot.folder : this.baseModel;
    return folder === undefined ? undefined : openCarried(folder, baseOf(this.model));
  }

  /** The folder of the checkpoint that the initializer reads, if it says so. */
  get baseModel(): string | undefined {
    return this.source?.initializer?.carriedFrom?.();
  }

  /** How the parameters of a new run were made: sections of graft.json. A resumed run keeps those of its checkpoint. */
  async record(): Promise<Readonly<Record<string, JsonValue>>> {
    return (await this.source?.initializer?.record?.(this.model)) ?? {};
  }

  /** Restores the data; parameters and optimizer state come from the snapshot, or are new. */
  start(parts: Pick<TrainingParts, 'dataset' | 'optimizer'>, placement: Placement): Promise<TrainingStart> {
    const folder = this.source?.snapshot?.folder;
    return readingSnapshot(folder, () => this.read(parts, placement, folder));
  }

  private async read(
    { dataset, optimizer }: Pick<TrainingParts, 'dataset' | 'optimizer'>,
    placement: Placement,
    folder: string | undefined,
  ): Promise<TrainingStart> {
    const { model, context, sent } = this;
    const { step, data, average } = sent;
    if (step > 0) {
      const end = beginCall(`${componentName(dataset, 'the dataset')} has not returned to its saved position`);
      await callingDataset(dataset, () => dataset.restore(data)).finally(end);
    }
    checkPosition(dataset.position(), componentName(dataset, 'The dataset'));
    const { parameters, frozenDigest } = await this.parameters(placement);
    const state = await readStartState({
      model,
      optimizer,
      train: context.config.train,
      placement,
      parameters,
      step,
      hasAverage: average,
      folder,
    });
    return { ...state, callbacks: this.source?.snapshot?.state.callbacks, frozenDigest };
  }

  private async parameters(placement: Placement): Promise<ReadParameters> {
    const { source, model, context } = this;
    const place = (name: string, value: tf.Tensor): Promise<void> => placement.place(name, value);
    if (!source) return {};
    const { snapshot, initializer } = source;
    const random = context.random.fork(STREAMS.init);
    if (model instanceof LoraModel)
      return loraParameters(model, { initializer: initializer!, snapshot, random, place });
    return {
      parameters: snapshot
        ? await readParameters(snapshot.folder, model, place)
        : await fillParameters(model, initializer!, random, place),
    };
  }
}

/** The model that a run's steps compute: under `train.lora` one with pairs. */
export const trainedForm = (base: Model, { lora }: Pick<TrainingConfig['train'], 'lora'>): Model =>
  lora ? new LoraModel(base, lora) : base;

const toJson = (config: Record<string, unknown> | undefined): JsonValue => (config ?? null) as JsonValue;

const fromJson = (config: JsonValue): Record<string, unknown> | undefined =>
  (config ?? undefined) as Record<string, unknown> | undefined;
