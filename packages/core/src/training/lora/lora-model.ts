import { ConfigError, tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type {
  BatchTensors,
  Decoding,
  ForwardOptions,
  Model,
  ModelOutputs,
  OutputHead,
  Parameters,
  ParameterSpec,
  Representation,
} from '../../interfaces';
import { isPacked, narrowed, widened } from '../parameter-storage';
import { factorOf, type LoraSettings } from '../../config/lora-section';
import { mergedMatrix, pairNames, pairOf } from './pairs';
import { chooseParameters } from './targets';

type StepSizes = NonNullable<Model['stepMemory']> extends (...given: infer G) => unknown ? G : never;

/**
 * A model of which only low-rank pairs, and what `modulesToSave` names, train. Its parameters are those of `base`, which
 * are frozen, and behind each target its pair. It owns no tensors.
 */
export class LoraModel implements Model {
  readonly parameters: readonly ParameterSpec[];
  /** The pairs' names by the names of their matrices, in the model's order. */
  readonly pairs: ReadonlyMap<string, { readonly a: string; readonly b: string }>;
  /** Names of the base parameters that train completely. */
  readonly complete: ReadonlySet<string>;
  /** What the product of a pair is multiplied by. */
  readonly factor: number;
  /** For `Model.decoding`, `head` and `representation`. */
  readonly decoding?: Decoding;
  readonly head?: OutputHead;
  readonly representation?: Representation;
  /** Those of the base model; the gradients of what is frozen are not computed. */
  readonly stepMemory?: Model['stepMemory'];

  /** Throws ConfigError for settings that do not fit the model. */
  constructor(
    readonly base: Model,
    readonly settings: LoraSettings,
  ) {
    const { targets, complete } = chooseParameters(base, settings);
    if (settings.dropout > 0 && !base.readsPairs) {
      throw new ConfigError(
        `train.lora.dropout is ${settings.dropout}, but the family of this ${base.kind} model does not compute pairs itself, and merged matrices have no input of A to drop.`,
        { code: 'lora.dropout', exitCode: 2, hint: 'Leave out train.lora.dropout.' },
      );
    }
    this.factor = factorOf(settings);
    this.complete = complete;
    this.pairs = new Map([...targets].map((name) => [name, pairNames(name)]));
    this.parameters = base.parameters.flatMap((spec) => this.specsOf(spec));
    const { decoding, head, representation } = base;
    if (decoding) this.decoding = this.decodingOf(decoding);
    if (head) {
      this.head = {
        parameters: this.withPairNames(head.parameters),
        rows: (given, fields, options) => head.rows(this.inEffect(given), fields, this.forTraining(options)),
        logits: (given, rows) => head.logits(this.inEffect(given), rows),
      };
    }
    if (representation) {
      this.representation = {
        width: representation.width,
        initializerRange: representation.initializerRange,
        parameters: this.withPairNames(representation.parameters),
        states: (given, fields, options) =>
          representation.states(this.inEffect(given), fields, this.forTraining(options)),
      };
    }
    if (base.stepMemory) this.stepMemory = (...request) => this.memoryOf(...request);
  }

  get kind(): Model['kind'] {
    return this.base.kind;
  }
  get vocabularySize(): number {
    return this.base.vocabularySize;
  }
  get logitBound(): number | undefined {
    return this.base.logitBound;
  }
  get specialTokens(): Model['specialTokens'] {
    return this.base.specialTokens;
  }
  get checkpointConfig(): Record<string, unknown> {
    return this.base.checkpointConfig;
  }
  get generationConfig(): Model['generationConfig'] {
    return this.base.generationConfig;
  }
  get generation(): Model['generation'] {
    return this.base.generation;
  }
  get maxPositions(): Model['maxPositions'] {
    return this.base.maxPositions;
  }
  get endTokens(): Model['endTokens'] {
    return this.base.endTokens;
  }
  get readsSegments(): boolean {
    return this.base.readsSegments ?? false;
  }
  get readsSeveralTargets(): boolean {
    return this.base.readsSeveralTargets ?? false;
  }
  /** Without the pairs, unless something else trains, or training began with pairs. */
  get origin(): Model | undefined {
    return this.complete.size === 0 && this.settings.from === undefined ? this.base : undefined;
  }
  get dropout(): Model['dropout'] {
    return this.base.dropout;
  }
  get encoderTokens(): Model['encoderTokens'] {
    return this.base.encoderTokens;
  }
  /** The base model changes; the pairs stay. */
  get transition(): Model['transition'] {
    const { transition } = this.base;
    return transition && { steps: transition.steps, at: (steps) => new LoraModel(transition.at(steps), this.settings) };
  }

  /** As `Model.forward`, with the pairs in effect; in training their inputs are dropped. */
  forward(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): ModelOutputs {
    return this.base.forward(this.inEffect(parameters), fields, this.forTraining(options));
  }

  /**
   * The parameters of `base` that compute the same: the products of the pairs added to their matrices. Only the matrices
   * of targets are new tensors, in the form (float32 or packed) of the old ones, which the caller disposes.
   */
  merged(parameters: Parameters): Parameters {
    return Object.fromEntries(this.base.parameters.map(({ name }) => [name, this.mergedParameter(parameters, name)]));
  }

  /** One parameter of `merged`: a new tensor, if it is the matrix of a target. */
  mergedParameter(parameters: Parameters, name: string): tf.Tensor {
    const weight = parameters[name];
    const pair = this.pairs.has(name) ? pairOf(parameters, name) : undefined;
    if (!pair) return weight;
    return tf.tidy(() => {
      const sum = mergedMatrix(widened(weight), pair, this.factor);
      return isPacked(weight) ? narrowed(sum) : sum;
    });
  }

  private specsOf(spec: ParameterSpec): ParameterSpec[] {
    const { linear: _, ...own } = spec;
    const names = this.pairs.get(spec.name);
    if (!names) return [this.complete.has(spec.name) ? own : { ...own, frozen: true }];
    const [out, width] = spec.shape;
    const { rank } = this.settings;
    const shared = { part: spec.part, keepsFloat32: true };
    return [
      { ...own, frozen: true },
      { ...shared, name: names.a, shape: [rank, width], initial: 'normal' },
      { ...shared, name: names.b, shape: [out, rank], initial: 'zeros' },
    ];
  }

  private withPairNames(names: readonly string[]): string[] {
    return names.flatMap((name) => [name, ...Object.values(this.pairs.get(name) ?? {})]);
  }

  private forTraining(options: ForwardOptions = {}): ForwardOptions {
    const { dropout } = this.settings;
    return options.training && dropout > 0 ? { ...options, pairDropout: dropout } : options;
  }

  /** The parameters as the base model wants them: with B times the factor, or merged. Traceable. */
  private inEffect(parameters: Parameters): Parameters {
    const given: Record<string, tf.Tensor> = { ...parameters };
    for (const [weight, names] of this.pairs) {
      const pair = pairOf(parameters, weight);
      if (!pair) continue;
      if (this.base.readsPairs) given[names.b] = tf.mul(pair.b, this.factor);
      else {
        given[weight] = mergedMatrix(widened(parameters[weight]), pair, this.factor);
        delete given[names.a];
        delete given[names.b];
      }
    }
    return given;
  }

  private decodingOf(base: Decoding): Decoding {
    return {
      ...(base.encode && { encode: (given, ...rest) => base.encode!(this.inEffect(given), ...rest) }),
      prefill: (given, ...rest) => base.prefill(this.inEffect(given), ...rest),
      step: (given, ...rest) => base.step(this.inEffect(given), ...rest),
      logits: (given, ...rest) => base.logits(this.inEffect(given), ...rest),
      ...(base.ranking && { ranking: (given, ...rest) => base.ranking!(this.inEffect(given), ...rest) }),
      ...(base.folding && { folding: base.folding }),
      ...(base.cacheBytes && { cacheBytes: (...sizes) => base.cacheBytes!(...sizes) }),
    };
  }

  /** The base model's, and the inner values of pairs, with the dropped inputs. Rows of cross-attention are the target's. */
  private memoryOf(...[shapes, options]: StepSizes): { activations: number; logits: number } {
    const { activations, logits } = this.base.stepMemory!(shapes, options);
    const { batch, sourceLength, targetLength, targetsPerSource = 1 } = shapes;
    const { rank, dropout } = this.settings;
    const more = this.base.parameters
      .filter(({ name }) => this.pairs.has(name))
      .reduce((sum, { part, shape }) => {
        const rows = batch * (part === 'encoder' ? sourceLength : targetsPerSource * targetLength);
        return sum + 4 * rows * (rank + (dropout > 0 ? elementCount(shape.slice(1)) : 0));
      }, 0);
    return { activations: activations + more / (options.rowParts ?? 1), logits };
  }
}

/** The model whose parameters make sense without the pairs: what evaluators, and checkpoints that are merged, are about. */
export const baseOf = (model: Model): Model => (model instanceof LoraModel ? model.base : model);

/** Calls `use` with the parameters of `baseOf(model)`, and frees those that were made for it. */
export async function withMerged<T>(
  model: Model,
  parameters: Parameters,
  use: (merged: Parameters) => Promise<T>,
): Promise<T> {
  if (!(model instanceof LoraModel)) return use(parameters);
  const merged = model.merged(parameters);
  try {
    return await use(merged);
  } finally {
    for (const [name, tensor] of Object.entries(merged)) if (tensor !== parameters[name]) tensor.dispose();
  }
}
