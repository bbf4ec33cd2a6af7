import { definePlugin } from '@graft/core';
import { superGlue } from './evaluator';

/** The evaluator `superglue`. */
export const plugin = definePlugin({ name: '@graft/superglue', components: [superGlue] });
