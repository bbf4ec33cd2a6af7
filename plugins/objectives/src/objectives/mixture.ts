import {
  checkFields,
  componentOption,
  DataError,
  defineComponent,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type RandomStream,
  type RunInfo,
  type SampleContext,
  type SettleContext,
  type Settled,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { optional } from '../batch/fields';
import {
  teachersOf,
  VARIANT_SEPARATOR,
  type ObjectiveTeacher,
  type TaughtObjective,
} from '../distillation/taught-objective';
import { countMaskedTokens } from '../loss/language-model-loss';

/** The options of the objective `mixture`. */
export const mixtureOptions = z.strictObject({
  objectives: z
    .array(
      z.strictObject({
        objective: componentOption('objective').describe('The objective, by name or with its options.'),
        name: z
          .string()
          .regex(/^[\w.-]+$/, 'expected letters, digits, ".", "_" and "-"')
          .optional()
          .describe("Its name in metrics, and where a dataset names it. Default: the objective's id."),
        rate: z.number().nonnegative().default(1).describe('Relative chance of a step.'),
        fromStep: z.int().nonnegative().default(0).describe('Steps at the start that never have it.'),
        untilStep: z
          .int()
          .nonnegative()
          .optional()
          .describe('Step from which on none has it. Default: the end of the run.'),
      }),
    )
    .min(1)
    .describe('The objectives of which each step draws one.'),
});

/** What a config or code may write. */
export type MixtureOptions = z.input<typeof mixtureOptions>;
/** The same with every default filled in. */
export type ResolvedMixtureOptions = z.output<typeof mixtureOptions>;

/** An objective of a mixture. */
export interface MixtureMember {
  readonly name: string;
  readonly objective: Objective;
  /** Relative probability of being drawn for a step. Default: 1. */
  readonly rate?: number;
  /** Number of steps at the start that never draw it. Default: 0. */
  readonly fromStep?: number;
  /** From this step on, no step draws it. Default: the end of the run. */
  readonly untilStep?: number;
}

type Member = MixtureMember & { readonly rate: number; readonly fromStep: number };

/**
 * Several objectives, of which each step draws one according to its rate. The draw depends only on the seed and the
 * step, so that a resumed run makes the same draws. Owns its members.
 *
 *     prefix-lm untilStep 900, ul2 fromStep 900   ->   steps 1 to 900 are prefix-lm, the others ul2
 */
export class Mixture implements TaughtObjective {
  readonly modelKind: Model['kind'] | undefined;
  private readonly members: readonly Member[];
  readonly variants: readonly string[];
  readonly batchFields: readonly FieldSpec[];
  /** The teachers of all members. */
  readonly teachers: readonly ObjectiveTeacher[];
  /** Absent if no member samples. */
  readonly sample?: (batch: HostFields, context: SampleContext) => Promise<HostFields>;

  /**
   * `totalSteps`: length of the run, if known. Throws DataError if members clash, or if a step has no member to draw.
   */
  constructor(
    given: readonly MixtureMember[],
    totalSteps = Infinity,
    /**
     * The record of the checkpoint from which training starts. A section that ends in a part's name applies to that
     * part only.
     */
    private readonly recorded?: RunInfo['recorded'],
  ) {
    const members = given.map((member) => ({ rate: 1, fromStep: 0, ...member }));
    this.members = members;
    checkNames(members);
    this.modelKind = commonKind(members);
    this.variants = members.flatMap(({ name, objective }) =>
      // A part without `variants` counts as one variant.
      objective.variants ? objective.variants.map((inner) => `${name}${VARIANT_SEPARATOR}${inner}`) : [name],
    );
    this.batchFields = union(members.map(({ objective }) => objective.batchFields));
    this.teachers = members.flatMap(({ name, objective }, i) =>
      teachersOf(objective).map(({ variant, section, distillation }) => ({
        variant: variant === undefined ? name : `${name}${VARIANT_SEPARATOR}${variant}`,
        section: ['objectives', i, 'objective', ...section],
        distillation,
      })),
    );
    checkSteps(members, totalSteps);
    if (!members.some(({ objective }) => typeof objective.sample === 'function')) return;
    this.sample = async (batch, context) => {
      const { member, inner } = this.find(context.variant);
      return (await member.objective.sample?.(batch, { ...context, variant: inner })) ?? batch;
    };
  }

  inputFields(kind: ObjectiveSource['kind'], variant?: string): readonly FieldSpec[] | undefined {
    if (variant !== undefined) {
      const { member, inner } = this.find(variant);
      return member.objective.inputFields(kind, inner);
    }
    const wanted = this.members.map(({ objective }) => objective.inputFields(kind));
    return wanted.every((fields) => fields !== undefined) ? union(wanted) : undefined;
  }

  targetsPerRow(variant?: string): number {
    const { member, inner } = this.find(variant);
    return member.objective.targetsPerRow?.(inner) ?? 1;
  }

  variantAt(step: number, random: RandomStream): string {
    const active = this.members.filter((member) => isActive(member, step));
    const draws = random.fork(step);
    let left = draws.uniform() * active.reduce((sum, { rate }) => sum + rate, 0);
    const drawn = active.find(({ rate }) => (left -= rate) < 0) ?? active.at(-1);
    if (!drawn) throw noneAt(step);
    const inner = drawn.objective.variantAt?.(step, random.fork(drawn.name));
    return inner === undefined ? drawn.name : `${drawn.name}${VARIANT_SEPARATOR}${inner}`;
  }

  /**
   * Lets all parts make their choices, even those that start late in a run. If two parts record different values for a
   * section, the later one's is stored with its name appended.
   */
  settle(context: SettleContext): Settled {
    const recorded = context.recorded ?? this.recorded;
    const settled = this.members.flatMap(({ name, objective }) => {
      const own = objective.settle?.({ ...context, recorded: recorded && ownRecord(recorded, name) });
      return own ? [{ name, ...own }] : [];
    });
    const notes = settled.flatMap((own) => own.notes);
    const warnings = settled.flatMap((own) => own.warnings);
    const record: Record<string, JsonValue> = {};
    for (const { name, record: own } of settled)
      for (const [section, value] of Object.entries(own)) {
        const isNew = record[section] === undefined || isDeepStrictEqual(record[section], value);
        record[isNew ? section : `${section}${VARIANT_SEPARATOR}${name}`] = value;
      }
    return { notes: [...new Set(notes)], warnings: [...new Set(warnings)], record };
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    this.settle(context);
    const { member, inner } = this.find(context.variant);
    const { objective, name } = member;
    const batch = objective.prepare(source, { ...context, variant: inner });
    checkFields(batch, objective.batchFields, `The batch of "${name}"`);
    return batch;
  }

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor; variant?: string },
  ): LossOutput {
    const { member, inner } = this.find(options.variant);
    const output = member.objective.loss(model, parameters, batch, { ...options, variant: inner });
    const own = { loss: output.loss, ...output.metrics };
    return {
      ...output,
      metrics: Object.fromEntries(Object.entries(own).map(([key, value]) => [`${key}/${member.name}`, value])),
    };
  }

  exampleTokens(context: Pick<ObjectiveContext, 'model' | 'random' | 'variant'>, index: number): number | undefined {
    const { member, inner } = this.find(context.variant);
    return member.objective.exampleTokens?.({ ...context, variant: inner }, index);
  }

  /** Counts like the member that made the batch; if the variant is unknown, counts the ones in its masks. */
  countTokens(batch: HostFields, variant?: string): number {
    if (variant === undefined) return countMaskedTokens(batch);
    const { member, inner } = this.find(variant);
    return member.objective.countTokens?.(batch, inner) ?? countMaskedTokens(batch);
  }

  async fileDigests(): Promise<Record<string, string>> {
    const parts = await Promise.all(
      this.members.map(async ({ name, objective }) =>
        Object.entries((await objective.fileDigests?.()) ?? {}).map(
          ([key, digest]) => [`${key} (${name})`, digest] as const,
        ),
      ),
    );
    return Object.fromEntries(parts.flat());
  }

  dispose(): void {
    for (const { objective } of this.members) objective.dispose?.();
  }

  private find(variant: string | undefined): { member: Member; inner?: string } {
    const at = variant?.indexOf(VARIANT_SEPARATOR) ?? -1;
    const wanted = at < 0 ? variant : variant!.slice(0, at);
    const member = this.members.find(({ name }) => name === wanted);
    if (member) return { member, inner: at < 0 ? undefined : variant!.slice(at + 1) };
    const names = this.members.map(({ name }) => name).join(', ');
    throw new DataError(
      wanted === undefined
        ? `The objective "mixture" is asked for a batch, but not for which of its parts (${names}).`
        : `The objective "mixture" has no part "${wanted}"; there are ${names}.`,
      { code: 'objective.mixture-part', exitCode: 2, hint: 'Name one of the parts as an objective of its own.' },
    );
  }
}

/** The sections that a part reads: sections with its name override the shared ones. */
function ownRecord(recorded: NonNullable<RunInfo['recorded']>, part: string): NonNullable<RunInfo['recorded']> {
  const behind = `${VARIANT_SEPARATOR}${part}`;
  const own = Object.entries(recorded).filter(([section]) => section.endsWith(behind));
  return {
    ...recorded,
    ...Object.fromEntries(own.map(([section, value]) => [section.slice(0, -behind.length), value])),
  };
}

const isActive = ({ rate, fromStep, untilStep = Infinity }: Member, step: number): boolean =>
  rate > 0 && step >= fromStep && step < untilStep;

function noneAt(step: number): DataError {
  return new DataError(`objective.objectives: after ${step} steps there is no part with a rate above 0 to draw.`, {
    code: 'objective.mixture-steps',
    exitCode: 2,
    hint: 'Look at rate, fromStep and untilStep: together the parts must cover every step.',
  });
}

/** Checks only the steps at which a part begins or ends: the set of parts to draw changes only there. */
function checkSteps(members: readonly Member[], totalSteps: number): void {
  const changes = [0, ...members.flatMap(({ fromStep, untilStep = 0 }) => [fromStep, untilStep])];
  const gap = changes
    .sort((a, b) => a - b)
    .find((step) => step < totalSteps && !members.some((member) => isActive(member, step)));
  if (gap !== undefined) throw noneAt(gap);
}

function checkNames(members: readonly Member[]): void {
  const names = members.map(({ name }) => name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin === undefined) return;
  throw new DataError(`objective.objectives: two parts are called "${twin}".`, {
    code: 'objective.mixture-names',
    exitCode: 2,
    hint: 'Give one of them a `name` of its own.',
  });
}

function commonKind(members: readonly Member[]): Model['kind'] | undefined {
  const known = members.filter(({ objective }) => objective.modelKind !== undefined);
  const other = known.find(({ objective }) => objective.modelKind !== known[0].objective.modelKind);
  if (!other) return known[0]?.objective.modelKind;
  throw new DataError(
    `objective.objectives: "${known[0].name}" trains ${known[0].objective.modelKind} models, "${other.name}" ${other.objective.modelKind} models; one model cannot serve both.`,
    { code: 'objective.model-kind', exitCode: 2 },
  );
}

/** The union of several lists of fields; a field that some list lacks becomes optional. */
function union(lists: readonly (readonly FieldSpec[])[]): FieldSpec[] {
  const found = new Map<string, FieldSpec>();
  for (const list of lists) for (const spec of list) if (!found.has(spec.name)) found.set(spec.name, spec);
  return [...found.values()].map((spec) =>
    lists.every((list) => list.some(({ name, optional: may }) => name === spec.name && !may)) ? spec : optional(spec),
  );
}

export const mixture = defineComponent({
  interface: 'objective',
  id: 'mixture',
  description: 'several objectives, of which each step draws one by its rate; switches by step',
  options: mixtureOptions,
  useFactory: async ({ options, components, run }) => {
    const members: MixtureMember[] = [];
    try {
      for (const { objective: spec, name = spec.use.split('/').pop()!, ...when } of options.objectives)
        members.push({ name, objective: await components.create('objective', spec, name), ...when });
      return new Mixture(members, run?.totalSteps, run?.recorded);
    } catch (error) {
      for (const { objective } of members) objective.dispose?.();
      throw error;
    }
  },
});
