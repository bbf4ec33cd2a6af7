import {
  DataError,
  defineComponent,
  countParameters,
  type EvaluationContext,
  type Evaluator,
  type GenerationCosts,
  type Model,
} from '@graft/core';
import { z } from 'zod';

const BYTES = { float32: 4, bfloat16: 2 } as const;

/** The options of the evaluator `cost`. */
export const costOptions = z.strictObject({
  batchSize: z.int().positive().default(1).describe('Rows that are generated together.'),
  inputTokens: z
    .int()
    .positive()
    .default(512)
    .describe("Tokens of each row's text: the source of an encoder, or the prompt of a decoder-only model."),
  newTokens: z.int().positive().default(128).describe('Tokens generated for each row.'),
  parameterDtype: z
    .enum(['float32', 'bfloat16'])
    .default('float32')
    .describe('Dtype of the parameters, for counting bytes.'),
});

/** What a config or code may write. */
export type CostOptions = z.input<typeof costOptions>;
/** The same with every default filled in. */
export type ResolvedCostOptions = z.output<typeof costOptions>;

/**
 * What a generation costs, counted from shapes: `encode/flops`, `encode/bytesRead` of reading the source, `prefill/…` of
 * the decoder's prompt and the first token, `token/…` of each further token, and `all/…` of the whole generation; with
 * `parameters`. It computes nothing. An encoder alone has only `encode`.
 */
export class CostEvaluator implements Evaluator {
  constructor(private readonly options: ResolvedCostOptions) {}

  /** Throws DataError if the model does not know its costs. */
  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    this.costsOf(model);
  }

  async evaluate({ model, signal }: EvaluationContext): Promise<Record<string, number>> {
    signal?.throwIfAborted();
    const { encode, prefill, step } = this.costsOf(model);
    const furtherTokens = this.options.newTokens - 1;
    const phases = { encode, prefill, ...(furtherTokens > 0 && { token: step }) };
    const sumOf = (key: 'flops' | 'bytesRead'): number =>
      (encode?.[key] ?? 0) + (prefill?.[key] ?? 0) + furtherTokens * (step?.[key] ?? 0);
    const all = prefill && { flops: sumOf('flops'), bytesRead: sumOf('bytesRead') };
    return {
      ...Object.fromEntries(
        Object.entries({ ...phases, all }).flatMap(([name, costs]) =>
          costs ? Object.entries(costs).map(([key, value]) => [`${name}/${key}`, value]) : [],
        ),
      ),
      parameters: countParameters(model),
    };
  }

  private costsOf(model: Model): GenerationCosts {
    const { batchSize: batch, inputTokens, newTokens, parameterDtype } = this.options;
    const isDecoder = model.kind === 'decoder-only';
    const shape = { batch, newTokens, sourceLength: inputTokens, promptLength: isDecoder ? inputTokens : 1 };
    const costs = model.generationCosts?.(shape, { parameterBytes: BYTES[parameterDtype] });
    if (costs) return costs;
    throw new DataError('This model does not say what its generation costs.', {
      code: 'benchmarks.no-costs',
      exitCode: 2,
      hint: 'Its family has to give it `generationCosts`; see docs/playbooks/model-family.md.',
    });
  }
}

export const cost = defineComponent({
  interface: 'evaluator',
  id: 'cost',
  description: 'operations and bytes of encoding, of the first token and of each further one, from shapes',
  options: costOptions,
  useFactory: ({ options }) => new CostEvaluator(options),
});
