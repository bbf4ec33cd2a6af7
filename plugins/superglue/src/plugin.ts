import { definePlugin } from '@graft/core';
import { superGlue } from './evaluator';

export const plugin = definePlugin({ name: '@graft/superglue', components: [superGlue] });
