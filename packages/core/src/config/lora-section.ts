import { z } from 'zod';
import { pathOption } from './options';

const names = (): z.ZodArray<z.ZodString> => z.array(z.string().min(1)).min(1);

/** The section `train.lora` of a config. */
export const LoraSection = z.strictObject({
  rank: z.number().int().positive().describe('rank of the pairs: the inner width of their products'),
  alpha: z
    .number()
    .positive()
    .optional()
    .describe('a product is multiplied by alpha / rank, or with rslora by alpha / sqrt(rank). Default: rank'),
  targets: z
    .union([z.string().min(1), names()])
    .default('all-linear')
    .describe(
      'matrices that get a pair: all-linear, a list of names or of their ends (q_proj; `*` stands for any text), or a regular expression for whole names',
    ),
  dropout: z
    .number()
    .nonnegative()
    .lt(1)
    .default(0)
    .describe('share of the inputs of A that training sets to zero; each pair draws its own'),
  rslora: z.boolean().default(false).describe('whether products are divided by the square root of the rank'),
  init: z
    .enum(['kaiming', 'gaussian'])
    .default('kaiming')
    .describe(
      'how A begins: uniform within 1 / sqrt(width of its input), or normal with standard deviation 1 / rank. B begins at zero',
    ),
  from: pathOption()
    .optional()
    .describe("folder of an adapter in PEFT's layout, whose pairs the run begins with. Default: new pairs"),
  modulesToSave: names()
    .optional()
    .describe('modules that train completely, by the ends of their names, and that the adapter contains'),
  save: z
    .enum(['adapter', 'merged'])
    .default('adapter')
    .describe(
      "what checkpoints hold: the pairs alone, in PEFT's layout, or the whole model with the pairs merged in, and the pairs in its folder adapter",
    ),
});

/** `train.lora` with its defaults filled in; docs/lora.md explains each. */
export interface LoraSettings {
  /** Rank of the pairs. */
  readonly rank: number;
  /** The factor is alpha / rank, or with `rslora` alpha / sqrt(rank). Default: the rank. */
  readonly alpha?: number;
  readonly rslora: boolean;
  /** `all-linear`, names of linear layers or their ends, or a regular expression for whole names. */
  readonly targets: string | readonly string[];
  /** Share of the inputs of A that training sets to zero, in [0, 1). */
  readonly dropout: number;
  /** The distribution of a new A. */
  readonly init: 'kaiming' | 'gaussian';
  /** Folder of an adapter whose pairs training begins with. Default: new pairs. */
  readonly from?: string;
  /** Modules that train completely, by the ends of their names. Default: none. */
  readonly modulesToSave?: readonly string[];
  /** What checkpoints hold. */
  readonly save: 'adapter' | 'merged';
}

/** What the product of a pair is multiplied by. */
export const factorOf = ({ rank, alpha = rank, rslora }: Pick<LoraSettings, 'rank' | 'alpha' | 'rslora'>): number =>
  alpha / (rslora ? Math.sqrt(rank) : rank);
