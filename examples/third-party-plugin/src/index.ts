import { definePlugin } from '@graft/core';
import { repetition } from './repetition';
import { tokenMasking } from './token-masking';

export { Repetition, repeatedShare, repetitionOptions, type RepetitionOptions } from './repetition';
export { TokenMasking, tokenMaskingOptions, type TokenMaskingOptions } from './token-masking';

/** The export that Graft loads from the package that a config names. */
export const plugin = definePlugin({
  name: 'graft-plugin-denoising',
  version: '1.0.0',
  components: [tokenMasking, repetition],
});
