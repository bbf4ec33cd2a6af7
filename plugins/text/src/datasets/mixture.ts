import {
  componentOption,
  DataError,
  defineComponent,
  meansVariant,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type RandomStream,
  type SideTokenizers,
  type TokenizerFacts,
} from '@graft/core';
import { callingDataset } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { parsePosition } from './position';

/** The option `bySize`. */
const bySizeOption = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('The sizes are taken to the power of 1 / temperature: above 1, small datasets come more often.'),
  maximum: z.int().positive().optional().describe('A larger dataset counts as one of this size. Default: no maximum.'),
});

/** The options of the dataset `mixture`. */
export const mixtureOptions = z
  .strictObject({
    datasets: z
      .array(
        z.strictObject({
          dataset: componentOption('dataset').describe('The dataset, with its options.'),
          rate: z
            .number()
            .positive()
            .default(1)
            .describe('Relative chance of an item; with `bySize` what the size is multiplied by.'),
          size: z
            .int()
            .positive()
            .optional()
            .describe('For `bySize`: the number of its items. Default: what the dataset says.'),
          objective: z
            .string()
            .min(1)
            .optional()
            .describe(
              'The only part of the objective `mixture` that learns from it, or `part/variant`. Default: all parts do.',
            ),
          name: z
            .string()
            .min(1)
            .optional()
            .describe(
              'Separates its random numbers from those of the others, independently of the order. Default: its index in the list.',
            ),
        }),
      )
      .min(1)
      .describe('The datasets of which each item draws one.'),
    bySize: bySizeOption
      .optional()
      .describe('Makes the chance of an item depend on the sizes of the datasets. Default: the rates alone decide.'),
    atEnd: z
      .enum(['stop', 'continue'])
      .default('stop')
      .describe(
        'When a dataset without `repeat` ends: the mixture ends with it, or continues with the others until all have ended.',
      ),
  })
  .superRefine(({ datasets, bySize }, context) => {
    if (bySize) return;
    datasets.forEach(({ size }, i) => {
      if (size === undefined) return;
      context.addIssue({ code: 'custom', path: ['datasets', i, 'size'], message: 'is for `bySize`, which is missing' });
    });
  });

/** What a config or code may write. */
export type MixtureOptions = z.input<typeof mixtureOptions>;
/** The same with every default filled in. */
export type ResolvedMixtureOptions = z.output<typeof mixtureOptions>;

/**
 * The rate of a dataset of `size` items by seqio's rule (`rate_num_examples`): min(size * scale, maximum) to the power of
 * 1 / temperature.
 *
 *     sizes 100 and 10,000, maximum 1,000, temperature 2   ->   10 and 31.6
 */
export function rateBySize(
  size: number,
  { temperature = 1, maximum = Infinity, scale = 1 }: z.input<typeof bySizeOption> & { readonly scale?: number },
): number {
  return Math.min(size * scale, maximum) ** (1 / temperature);
}

/** A dataset of a mixture. */
export interface MixtureMember {
  readonly dataset: Dataset;
  /** Relative chance of an item. */
  readonly rate: number;
  readonly objective?: string;
}

const positionSchema = z.strictObject({
  data: z.string(),
  /** Items returned so far. */
  given: z.int().min(0),
  members: z.array(z.json()),
  ended: z.array(z.boolean()),
});

interface Iteration {
  iterator: AsyncIterator<HostFields>;
}

/**
 * Several datasets, one of which is drawn for each item by its rate: a function of the random stream and the item's
 * number alone. A position consists of the positions of all. Owns its members.
 */
export class MixtureDataset implements Dataset {
  readonly kind: Dataset['kind'];
  readonly fields: readonly FieldSpec[];
  readonly variants: readonly string[];
  readonly tokenizer?: TokenizerFacts;
  readonly tokenizers?: SideTokenizers;
  private readonly data: string;
  private given = 0;
  private ended: boolean[];
  private variant: string | undefined;
  private readonly open = new Map<number, Iteration>();

  /** Throws DataError if some members give ready batches and others single sequences. */
  constructor(
    private readonly members: readonly MixtureMember[],
    private readonly atEnd: ResolvedMixtureOptions['atEnd'],
    private readonly random: RandomStream,
  ) {
    const [{ dataset: first }] = members;
    const other = members.findIndex(({ dataset }) => dataset.kind !== first.kind);
    if (other > 0) {
      const kindName = ({ kind }: Dataset): string => (kind === 'batch' ? 'ready batches' : 'single sequences');
      throw new DataError(
        `dataset.datasets: the first one gives ${kindName(first)}, number ${other + 1} ${kindName(members[other].dataset)}; a mixture needs the same of all.`,
        { code: 'data.mixture-kind', exitCode: 2 },
      );
    }
    this.kind = first.kind;
    this.fields = unionOf(members.map(({ dataset }) => dataset.fields));
    this.variants = [...new Set(members.flatMap(({ objective, dataset }) => objective ?? dataset.variants ?? []))];
    this.tokenizers = commonSides(members);
    this.tokenizer = commonTokenizer(members);
    this.ended = members.map(() => false);
    const identity = JSON.stringify([members.map(({ rate, objective }) => [rate, objective]), atEnd]);
    this.data = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  }

  select(variant: string | undefined): readonly FieldSpec[] {
    this.variant = variant;
    const fields = this.members
      .filter((member) => serves(member, variant))
      .map(({ dataset }) => dataset.select?.(variant) ?? dataset.fields);
    if (fields.length > 0) return unionOf(fields);
    throw new DataError(
      `The dataset "mixture" has nothing for "${variant}": each of its datasets is for another objective.`,
      { code: 'data.variant', exitCode: 2, hint: 'Add a dataset for it, or one without `objective`.' },
    );
  }

  /** Sets the length for those of its datasets that cut windows to a given length. */
  cut(tokens: number | undefined): void {
    for (const { dataset } of this.members) dataset.cut?.(tokens);
  }

  position(): JsonValue {
    const members = this.members.map(({ dataset }) => dataset.position());
    return { data: this.data, given: this.given, members, ended: [...this.ended] };
  }

  async restore(position: JsonValue): Promise<void> {
    const { given, members, ended } = parsePosition(positionSchema, position, this.data);
    await this.close();
    for (const [i, { dataset }] of this.members.entries())
      await callingDataset(dataset, () => dataset.restore(members[i]));
    this.given = given;
    this.ended = ended;
  }

  dispose(): void {
    for (const { dataset } of this.members) dataset.dispose?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    try {
      for (let item = await this.next(); item; item = await this.next()) yield item;
      return undefined;
    } finally {
      await this.close();
    }
  }

  /** Each member skips its own items, with its `skip` if it has one. */
  async skip(items: number): Promise<number> {
    let skipped = 0;
    while (skipped < items && (await this.draw((i) => this.skipOf(i)))) skipped++;
    return skipped;
  }

  private next(): Promise<HostFields | undefined> {
    return this.draw((i) => this.nextOf(i));
  }

  /** The result of `take` for the drawn member; undefined at the end. */
  private async draw<T>(take: (member: number) => Promise<T | undefined>): Promise<T | undefined> {
    const draws = this.random.fork('draw').fork(this.given);
    for (;;) {
      const left = this.members
        .map((member, i) => ({ member, i }))
        .filter(({ member, i }) => serves(member, this.variant) && !this.ended[i]);
      if (left.length === 0) return undefined;
      let point = draws.uniform() * left.reduce((sum, { member }) => sum + member.rate, 0);
      const { i } = left.find(({ member }) => (point -= member.rate) < 0) ?? left[left.length - 1];
      const taken = await take(i);
      if (taken !== undefined) {
        this.given++;
        return taken;
      }
      if (this.atEnd === 'stop') return undefined;
      this.ended[i] = true;
    }
  }

  /** A dataset whose iteration has ended is iterated again: it decides whether that begins another epoch. */
  private async nextOf(i: number): Promise<HostFields | undefined> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const { dataset } = this.members[i];
      const iteration = this.open.get(i) ?? { iterator: dataset[Symbol.asyncIterator]() };
      this.open.set(i, iteration);
      const result = await callingDataset(dataset, () => iteration.iterator.next());
      if (!result.done) return result.value;
      this.open.delete(i);
    }
    return undefined;
  }

  /** Reads an item if the member cannot skip, or may be at the end of an epoch. */
  private async skipOf(i: number): Promise<true | undefined> {
    const { dataset } = this.members[i];
    if ((await callingDataset(dataset, () => dataset.skip?.(1))) === 1) return true;
    return (await this.nextOf(i)) && true;
  }

  private async close(): Promise<void> {
    const open = [...this.open.values()];
    this.open.clear();
    for (const { iterator } of open) await iterator.return?.();
  }
}

const serves = ({ objective }: MixtureMember, variant: string | undefined): boolean =>
  objective === undefined || variant === undefined || meansVariant(objective, variant);

const factsOf = ({ vocabularySize, namedTokens, padId, bosId, eosId }: TokenizerFacts): unknown => [
  ...[vocabularySize, namedTokens],
  ...[padId, bosId, eosId],
];

/** The tokenizer of all members that have one, if it is the same. */
function commonTokenizer(members: readonly MixtureMember[]): TokenizerFacts | undefined {
  const known = members.flatMap(({ dataset: { tokenizer } }) => tokenizer ?? []);
  const isSame = known.every((one) => one === known[0] || isDeepStrictEqual(factsOf(one), factsOf(known[0])));
  return isSame ? known[0] : undefined;
}

/**
 * The tokenizers of the two sides, if members have them: then all that have a tokenizer must have these. Throws DataError
 * otherwise.
 */
function commonSides(members: readonly MixtureMember[]): SideTokenizers | undefined {
  const known = members.flatMap(({ dataset: { tokenizer, tokenizers } }, i) => {
    const [encoder, decoder] = tokenizers ? [tokenizers.encoder, tokenizers.decoder] : [tokenizer, tokenizer];
    return encoder && decoder ? [{ number: i + 1, tokenizers, facts: [factsOf(encoder), factsOf(decoder)] }] : [];
  });
  const first = known.find(({ tokenizers }) => tokenizers);
  if (!first) return undefined;
  const other = known.find(({ facts }) => !isDeepStrictEqual(facts, first.facts));
  if (!other) return first.tokenizers;
  throw new DataError(
    `dataset.datasets: number ${first.number} has a tokenizer for each side, number ${other.number} has others; one model reads all of them.`,
    { code: 'data.sides', exitCode: 2, hint: 'Give all of them the same `tokenizer: { encoder, decoder }`.' },
  );
}

/** The fields of all datasets; one that some lack is optional. Throws DataError if two disagree about a field. */
function unionOf(lists: readonly (readonly FieldSpec[])[]): FieldSpec[] {
  const found = new Map<string, FieldSpec>();
  for (const list of lists) {
    for (const spec of list) {
      const before = found.get(spec.name);
      if (before && (before.dtype !== spec.dtype || before.rank !== spec.rank)) {
        throw new DataError(
          `dataset.datasets: one gives "${spec.name}" as ${before.dtype} of ${before.rank} dimensions, another as ${spec.dtype} of ${spec.rank}.`,
          { code: 'data.mixture-fields', exitCode: 2 },
        );
      }
      if (!before) found.set(spec.name, spec);
    }
  }
  return [...found.values()].map((spec) =>
    lists.every((list) => list.some(({ name, optional }) => name === spec.name && !optional))
      ? spec
      : { ...spec, optional: true },
  );
}

function unknownSize(index: number, use: string): never {
  throw new DataError(
    `dataset.datasets: number ${index + 1} ("${use}") does not know how many items it has, so its rate cannot go by its size.`,
    { code: 'data.mixture-size', exitCode: 2, hint: `Give it a \`size\`, or leave bySize out and give rates.` },
  );
}

export const mixture = defineComponent({
  interface: 'dataset',
  id: 'mixture',
  description: 'several datasets, of which each item draws one by its rate',
  options: mixtureOptions,
  useFactory: async ({ options, components, random }) => {
    const members: MixtureMember[] = [];
    try {
      for (const [i, { dataset: spec, name = i, rate: scale, size, objective }] of options.datasets.entries()) {
        const dataset = await components.create('dataset', spec, name);
        members.push({ dataset, rate: scale, objective });
        const { bySize } = options;
        if (!bySize) continue;
        const items = size ?? dataset.length ?? unknownSize(i, spec.use);
        members[i] = { dataset, rate: rateBySize(items, { ...bySize, scale }), objective };
      }
      return new MixtureDataset(members, options.atEnd, random);
    } catch (error) {
      for (const { dataset } of members) dataset.dispose?.();
      throw error;
    }
  },
});
