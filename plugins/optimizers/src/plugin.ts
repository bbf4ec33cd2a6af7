import { definePlugin } from '@graft/core';
import { adamw } from './adamw';
import { constant, cosine, linear } from './schedules';

export const plugin = definePlugin({ name: '@graft/optimizers', components: [adamw, constant, cosine, linear] });
