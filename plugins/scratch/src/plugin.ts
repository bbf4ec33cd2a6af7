import { defineComponent, definePlugin } from '@graft/core';
import { ScratchInitializer, scratchOptions } from './scratch-initializer';

/** The initializer `scratch` and its sizes. */
export const plugin = definePlugin({
  name: '@graft/scratch',
  components: [
    defineComponent({
      interface: 'initializer',
      id: 'scratch',
      description: 'random parameters, for models trained from scratch',
      options: scratchOptions,
      useClass: ScratchInitializer,
    }),
  ],
});

export default plugin;
