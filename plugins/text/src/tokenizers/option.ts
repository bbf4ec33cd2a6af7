import { componentOption, type ComponentSpec } from '@graft/core';
import type { z } from 'zod';

/** The option `tokenizer` of the datasets. */
export const tokenizerOption = (): z.ZodDefault<z.ZodType<ComponentSpec, ComponentSpec | string>> =>
  componentOption('tokenizer')
    .default({ use: 'checkpoint' })
    .describe(
      "The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.",
    );
