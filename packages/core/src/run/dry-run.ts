import { openEngine, type Engine, type MeshAxes } from '@graft/engine';
import { asIfCompiledOn, expectedDevice } from '@graft/engine/internal';
import type { LoadedExperiment } from '../config';
import { BatchLoader } from '../data/loader';
import { checkSides } from '../data/side-text';
import { FIELDS, type HostFields, type Model, type RunInfo } from '../interfaces';
import { createRandom, STREAMS } from '../random/streams';
import { availableMemory } from '../training/memory';
import { estimateTrainingMemory, type BatchLengths, type MemoryEstimate } from '../training/memory-estimate';
import { shardsOfMesh } from '../training/mesh-memory';
import { ParameterGroups } from '../training/parameter-groups';
import { silentLogger, type Logger } from '../util/logger';
import { checkAmountOfData } from './before-first-step';
import { planMesh, refuseShardingAlone } from './create-placement';
import { firstRowTexts, type FirstRowText } from './first-row';
import { countParameters } from './parameters';
import { ResourceScope } from './resource-scope';
import { configFacts } from './run-info';
import { checkTakesSides } from './tokenizer-files';
import { openTrainingData } from './training-data';
import { withTrainingSteps } from './training-steps';

/** Options of `dryRun`. */
export interface DryRunOptions {
  /** Default: the portable one, since nothing is computed. */
  readonly engine?: Engine;
  /** Default: silent. */
  readonly logger?: Logger;
  /**
   * The batches over which `flopsPerStep` is the mean: the first one, and more at equal intervals of the training, since
   * those of some objectives differ in length. Default 1.
   */
  readonly batches?: number;
}

/** What a run would begin with. */
export interface DryRun {
  /** Of the whole run. */
  readonly steps: number;
  readonly model: Pick<Model, 'kind'> & { readonly parameters: number; readonly trained: number };
  /** The first batch: its fields as the step gets them, its rows and lengths, and its first row as text. */
  readonly batch: {
    readonly fields: Readonly<Record<string, readonly number[]>>;
    readonly lengths?: BatchLengths;
    /** Empty if the dataset has no tokenizer. */
    readonly firstRow: readonly FirstRowText[];
  };
  /**
   * Floating-point operations of a training step, of matrix products, forward and backward; the mean of
   * `batches`. Undefined if the model does not say. With `train.lora` and frozen parameters a step takes fewer.
   */
  readonly flopsPerStep?: number;
  /** On each device. */
  readonly memory: MemoryEstimate;
  /** The kind of device that would compute; undefined: the config and this machine do not say. */
  readonly device?: string;
  /** The mesh over which the run would be split, and in how many parts its batches. */
  readonly mesh?: { readonly axes: MeshAxes; readonly batchParts: number };
  /** Bytes that this process may still use on this machine; on another device than the processor, undefined. */
  readonly free?: number;
}

/**
 * Does everything of a run that takes no weights: reads the model's config, makes the components, reads the first batch,
 * and estimates the memory of training. Writes nothing. Throws what the run would throw up to its first step, except for
 * what concerns parameters.
 */
export async function dryRun(
  given: LoadedExperiment,
  { engine: opened, logger = silentLogger(), batches = 1 }: DryRunOptions = {},
): Promise<DryRun> {
  const engine = opened ?? (await openEngine({ mode: 'portable' }));
  const loaded = await withTrainingSteps(given, { engine, logger });
  const { config, registry, stepsNote } = loaded;
  if (stepsNote !== undefined) logger.info(stepsNote);
  const { train } = config;
  const random = createRandom(config.seed);
  const owned = new ResourceScope(logger);
  const frozenModels: Model[] = [];
  const facts: RunInfo = {
    ...{ name: config.name, id: 'dry-run', folder: config.runs, ...configFacts(config) },
    onFrozenModel: (model) => void frozenModels.push(model),
  };
  try {
    const data = await openTrainingData(loaded, { engine, random, logger, facts, owned });
    const { family, model, objective, dataset, components } = data;
    const optimizer = await components.create('optimizer', config.optimizer);
    const repeated = checkAmountOfData(train, dataset, `dataset "${config.dataset.use}"`, objective);
    if (repeated !== undefined) logger.warn(repeated);
    checkTakesSides(config.dataset, dataset, registry);
    checkSides(dataset, model);
    const { tokenizer, tokenizers } = dataset;
    for (const warning of objective.settle?.({ model, tokenizer, tokenizers }).warnings ?? []) logger.warn(warning);
    const byName = Object.fromEntries(model.parameters.map((parameter) => [parameter.name, parameter]));
    const trained = ParameterGroups.of(model, train, train.steps).everTrained(byName);

    const variantAt = (step: number): string | undefined =>
      objective.variantAt?.(step, random.fork(STREAMS.dropout).fork('variant'));
    const sampled: { readonly fields: HostFields; readonly lengths: BatchLengths | undefined }[] = [];
    for (let sample = 0; sample < batches; sample++) {
      const step = Math.floor((sample * train.steps) / batches);
      const loader = new BatchLoader({
        dataset,
        objective,
        model,
        batchSize: train.batchSize,
        random: random.fork(STREAMS.data),
        step,
        variantAt,
      });
      const { fields } = await loader.next().finally(() => loader.close());
      const targetsPerRow = objective.targetsPerRow?.(variantAt(step));
      sampled.push({ fields, lengths: lengthsOf(fields, model, targetsPerRow) });
    }
    const [{ fields, lengths }] = sampled;
    const flops = sampled.map((one) => flopsOf(one.lengths, model));
    refuseShardingAlone(train);
    const sizesBatches = dataset.kind === 'examples';
    const mesh = train.mesh && planMesh({ model, family, train, sizesBatches, logger }, train.mesh);
    const device = await expectedDevice({ ...config.engine, precision: train.precision });
    const place = { device: device ?? 'cpu', precision: train.precision, onMesh: mesh !== undefined };
    const memory = asIfCompiledOn(place, () =>
      estimateTrainingMemory(
        {
          ...train,
          model,
          optimizer,
          isTrained: (name) => Object.hasOwn(trained, name),
          keepsAverage: train.averageDecay !== undefined,
          batch: lengths,
          chunkTokens: objective.chunkTokens,
          frozenModels,
        },
        mesh && shardsOfMesh(mesh, model.parameters),
      ),
    );
    return {
      steps: train.steps,
      model: {
        kind: model.kind,
        parameters: countParameters(model),
        trained: countParameters({ parameters: Object.values(trained) }),
      },
      batch: {
        fields: Object.fromEntries(Object.entries(fields).map(([name, { shape }]) => [name, shape])),
        lengths,
        firstRow: firstRowTexts(fields, dataset, model),
      },
      flopsPerStep: flops.every((own) => own !== undefined) ? meanOf(flops) : undefined,
      memory,
      device,
      mesh: mesh && { axes: mesh.axes, batchParts: mesh.plan.batchParts },
      free: device === 'cpu' ? availableMemory() : undefined,
    };
  } finally {
    await owned.dispose();
  }
}

const flopsOf = (lengths: BatchLengths | undefined, model: Model): number | undefined =>
  lengths && model.flopsPerStep?.(lengths);

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Rows and lengths of what a step computes of a batch of ids; undefined for other batches. */
function lengthsOf(
  fields: HostFields,
  { kind, readsSeveralTargets = false }: Model,
  targetsPerRow = 1,
): BatchLengths | undefined {
  const lengthOf = (name: string): readonly [number, number] | undefined => {
    const shape = fields[name]?.shape;
    return shape?.length === 2 ? [shape[0], shape[1]] : undefined;
  };
  const input = lengthOf(FIELDS.inputIds);
  if (!input) return undefined;
  const [rows, length] = input;
  if (kind === 'decoder-only') return { batch: rows * targetsPerRow, sourceLength: 0, targetLength: length };
  const lengths = { sourceLength: length, targetLength: lengthOf(FIELDS.decoderInputIds)?.[1] ?? 0 };
  // A model that cannot share a source reads it once for each target.
  return readsSeveralTargets
    ? { batch: rows, ...lengths, targetsPerSource: targetsPerRow }
    : { batch: rows * targetsPerRow, ...lengths };
}
