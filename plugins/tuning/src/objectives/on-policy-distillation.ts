/** Shapes: B batch, N labels, V vocabulary. */
import {
  DataError,
  defineComponent,
  exampleRandom,
  Generator,
  labelWeights,
  loadFrozenCheckpoint,
  parseOptions,
  pathOption,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type SampleContext,
  type SettleContext,
  type Settled,
} from '@graft/core';
import { tf, withoutGradient } from '@graft/engine';
import {
  CausalLm,
  checkpointFingerprint,
  countMaskedTokens,
  languageModelLoss,
  outputHeadOf,
  paddingMask,
  padRows,
  roundUp,
  Seq2Seq,
  sumOverChunks,
} from '@graft/objectives';
import { z } from 'zod';
import { AlignedTeacher } from '../distillation/aligned-teacher';
import { PROMPT_FIELDS, sampledTargets } from '../distillation/sampled-batch';
import { generalizedJsd } from '../loss/generalized-jsd';
import { promptTokens } from '../distillation/prompts';

/** The options of the objective `on-policy-distillation`. */
export const onPolicyOptions = z.strictObject({
  teacher: pathOption().describe('Folder of a decoder-only checkpoint with the vocabulary of the student.'),
  onPolicyRate: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      "GKD's lambda: chance of a step that the student writes the targets itself; other steps take those of the data.",
    ),
  beta: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      "GKD's beta: 0 is the forward divergence (of the student from the teacher), 1 the reverse one, between them the generalized Jensen-Shannon divergence.",
    ),
  temperature: z.number().positive().default(1).describe('Softens both distributions of the divergence.'),
  maxNewTokens: z.int().positive().default(128).describe('Tokens that the student writes at most.'),
  sampling: z
    .strictObject({
      temperature: z
        .number()
        .min(0)
        .default(1)
        .describe('Divides the logits before tokens are drawn; 0 takes the most probable one.'),
      topK: z.int().min(0).default(0).describe('Draws from this many most probable tokens; 0: from all.'),
      topP: z
        .number()
        .gt(0)
        .max(1)
        .default(1)
        .describe('Draws from the fewest most probable tokens that reach this probability together.'),
    })
    .prefault({})
    .describe(
      "How the student writes. Default: it draws from its own distribution; the checkpoint's settings do not count.",
    ),
  maxSourceTokens: z
    .int()
    .positive()
    .optional()
    .describe('Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit.'),
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
  chunkTokens: z
    .int()
    .positive()
    .optional()
    .describe("Tokens whose logits, the student's and the teacher's, are in memory together. Default: all."),
});

/** What a config or code may write. */
export type OnPolicyOptions = z.input<typeof onPolicyOptions>;
/** The same with every default filled in. */
export type ResolvedOnPolicyOptions = z.output<typeof onPolicyOptions>;

const optional = (spec: FieldSpec): FieldSpec => ({ ...spec, optional: true });

/**
 * On-policy distillation (GKD, 2306.13649): the student continues the prompts of a batch as it is before the step, and
 * learns a decoder-only teacher's distribution for each token that it wrote. So it learns from its own mistakes, which
 * texts of others do not contain. The targets of the data count only in steps that are not on-policy.
 *
 * An evaluation measures the cross-entropy of the data's targets, and needs no teacher.
 */
export class OnPolicyDistillation implements Objective {
  readonly batchFields: readonly FieldSpec[];
  private readonly options: ResolvedOnPolicyOptions;
  private readonly pairs: { readonly 'encoder-decoder': Seq2Seq; readonly 'decoder-only': CausalLm };
  private writing: { readonly model: Model; readonly generator: Generator } | undefined;

  /** `teacher`: required for training. The objective owns it. */
  constructor(
    options: OnPolicyOptions,
    private readonly teacher?: AlignedTeacher,
  ) {
    this.options = parseOptions(onPolicyOptions, options, 'OnPolicyDistillation');
    const { padToMultipleOf, maxSourceTokens } = this.options;
    this.pairs = {
      'encoder-decoder': new Seq2Seq({ padToMultipleOf, maxSourceTokens }),
      'decoder-only': new CausalLm({ input: 'pairs', padToMultipleOf }),
    };
    const own = Object.values(this.pairs).flatMap(({ batchFields }) => batchFields);
    const names = [...new Set(own.map(({ name }) => name))];
    // Segments and weights have no meaning for what a student writes itself.
    const kept = names.filter((name) => !name.endsWith('segment_ids') && name !== 'label_weights');
    this.batchFields = [
      ...kept.map((name) => {
        const spec = own.find((field) => field.name === name)!;
        return name.startsWith('decoder_') ? optional(spec) : spec;
      }),
      ...PROMPT_FIELDS,
      ...(teacher?.batchFields ?? []).map(optional),
    ];
  }

  get chunkTokens(): number | undefined {
    return this.options.chunkTokens;
  }

  /** Refuses models that do not write, and teachers of another vocabulary. */
  settle({ model }: SettleContext): Settled {
    this.pairsOf(model);
    this.teacher?.checkStudent(model);
    const { onPolicyRate, beta, maxNewTokens, teacher } = this.options;
    const note = `On-policy distillation from ${teacher}: the student writes up to ${maxNewTokens} tokens in ${100 * onPolicyRate} % of the steps, beta ${beta}`;
    return { notes: [note], warnings: [], record: {} };
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] | undefined {
    if (kind === 'batch') return undefined;
    return this.pairs['encoder-decoder']
      .inputFields('examples')
      .filter(({ name }) => name === 'source' || name === 'target');
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    if (source.kind !== 'examples') {
      throw new DataError('The objective "on-policy-distillation" makes its batches from prompts and answers.', {
        code: 'data.contract',
        exitCode: 2,
      });
    }
    const { model } = context;
    const { label_weights: _, ...batch } = this.pairsOf(model).prepare(source, context);
    const isTraining = context.step !== undefined;
    if (model.kind !== 'decoder-only') return isTraining ? this.taught(batch, model, context) : batch;
    const { maxSourceTokens, padToMultipleOf } = this.options;
    const prompts = source.examples.map((example, i) =>
      promptTokens(example, model, maxSourceTokens, `Example ${i} of the batch`),
    );
    if (!isTraining) return batch;
    const length = roundUp(Math.max(...prompts.map((prompt) => prompt.length)), padToMultipleOf);
    return {
      ...this.taught(batch, model, context),
      prompt_ids: padRows(prompts, length, model.specialTokens.pad),
      prompt_mask: paddingMask(prompts, length),
    };
  }

  /** The student writes, in the steps that the rate draws. */
  async sample(batch: HostFields, context: SampleContext): Promise<HostFields> {
    const { model, parameters, random, rank } = context;
    const { prompt_ids: _ids, prompt_mask: _mask, ...given } = batch;
    // The same in all workers.
    if (random.fork('on-policy').uniform() >= this.options.onPolicyRate) return given;
    const own = random.fork('samples');
    const firstRow = rank * batch.labels.shape[0];
    const { sampling, maxNewTokens, padToMultipleOf } = this.options;
    const settings = { ...sampling, maxNewTokens, padToMultipleOf, firstRow, seed: own.integer(2 ** 31) };
    const generator = this.generatorOf(context);
    const written = await sampledTargets(generator, model, parameters, batch, settings);
    return this.taught(written, model, { random: own, firstExample: firstRow });
  }

  countTokens(batch: HostFields): number {
    return countMaskedTokens(batch);
  }

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    const { chunkTokens, beta, temperature } = this.options;
    const own = Object.fromEntries(Object.entries(batch).filter(([name]) => !/^(teacher|prompt)_/.test(name)));
    if (!options.training) return languageModelLoss(model, parameters, own, options, { chunkTokens });
    const { teacher } = this;
    if (!teacher) {
      throw new DataError('The objective "on-policy-distillation" was made without its teacher, so it cannot train.', {
        code: 'distillation.no-teacher',
        hint: 'Create it with the purpose `training`, or give its constructor a teacher.',
      });
    }
    const { labels, ...inputs } = own;
    const { count, weight, weights } = labelWeights(labels);
    const taught = withoutGradient(() => teacher.logits(batch, model));
    const divergence = (logits: tf.Tensor2D, from: number, behind: readonly tf.Tensor[] = []): tf.Scalar => {
      const size = logits.shape[0];
      const soft: tf.Tensor2D = temperature === 1 ? logits : tf.div(logits, temperature);
      return generalizedJsd(
        soft,
        withoutGradient(() => taught(from, size, behind)),
        tf.slice(weights, from, size),
        beta,
      );
    };
    const whole = (): tf.Scalar =>
      divergence(tf.reshape(model.forward(parameters, inputs, options).logits, [labels.size, model.vocabularySize]), 0);
    const inChunks = (tokens: number): tf.Scalar => {
      const head = outputHeadOf(model);
      const rows = head.rows(parameters, inputs, options);
      const settings = { chunkTokens: tokens, training: true };
      return sumOverChunks(head, parameters, rows, settings, (logits, from, behind) => ({
        loss: divergence(logits, from, behind),
        metrics: [],
      })).loss;
    };
    const loss = chunkTokens === undefined ? whole() : inChunks(chunkTokens);
    return { loss, weight, sums: { targetTokens: count } };
  }

  async fileDigests(): Promise<Record<string, string>> {
    const { teacher } = this.options;
    return { [`the teacher ${teacher}`]: await checkpointFingerprint(teacher) };
  }

  dispose(): void {
    this.writing?.generator.dispose();
    this.writing = undefined;
    this.teacher?.dispose();
  }

  private pairsOf({ kind }: Model): Seq2Seq | CausalLm {
    if (kind !== 'encoder-only') return this.pairs[kind];
    throw new DataError(
      'The objective "on-policy-distillation" trains models that write, but this model is an encoder alone.',
      { code: 'objective.model-kind', exitCode: 2 },
    );
  }

  /** The batch, with what the teacher reads. */
  private taught(
    batch: HostFields,
    model: Model,
    context: Pick<ObjectiveContext, 'random' | 'firstExample'>,
  ): HostFields {
    if (!this.teacher) return batch;
    const randomOf = (row: number) => exampleRandom({ ...context, model }, row);
    return { ...batch, ...this.teacher.fields(batch, model, this.options.padToMultipleOf, randomOf) };
  }

  private generatorOf({ engine, model }: SampleContext): Generator {
    if (this.writing?.model !== model) {
      this.writing?.generator.dispose();
      this.writing = { model, generator: new Generator(engine, model) };
    }
    return this.writing.generator;
  }
}

export const onPolicyDistillation = defineComponent({
  interface: 'objective',
  id: 'on-policy-distillation',
  description: "the student continues prompts, and learns a teacher's distribution for what it wrote (GKD)",
  options: onPolicyOptions,
  useFactory: async (context) => {
    const { options, purpose } = context;
    if (purpose !== 'training') return new OnPolicyDistillation(options);
    const teacher = new AlignedTeacher(await loadFrozenCheckpoint(options.teacher, context), options.temperature);
    return new OnPolicyDistillation(options, teacher);
  },
});
