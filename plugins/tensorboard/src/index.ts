import { definePlugin } from '@graft/core';
import { tensorboard } from './tracker';

export { EventWriter } from './event-writer';
export { TensorboardTracker } from './tracker';

/** The tracker `tensorboard`. */
export const plugin = definePlugin({ name: 'tensorboard', components: [tensorboard] });
export default plugin;
