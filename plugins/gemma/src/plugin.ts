import { defineComponent, definePlugin } from '@graft/core';
import { AdaptInitializer, adaptOptions } from './adapt/adapt-initializer';
import { GemmaFamily } from './family';
import { LoadInitializer, loadOptions } from './load/load-initializer';
import { modelOptions } from './model/model-options';

/** The model family and the initializers of Gemma. */
export const plugin = definePlugin({
  name: '@graft/gemma',
  components: [
    defineComponent({
      interface: 'model',
      id: 'gemma',
      description: 'Gemma 2, decoder-only or grafted into an encoder-decoder',
      options: modelOptions,
      useClass: GemmaFamily,
    }),
    defineComponent({
      interface: 'initializer',
      id: 'load',
      description: 'parameters out of a Gemma 2 or T5Gemma folder',
      options: loadOptions,
      useClass: LoadInitializer,
    }),
    defineComponent({
      interface: 'initializer',
      id: 'adapt',
      description: 'an encoder-decoder made of one or two decoder-only checkpoints',
      options: adaptOptions,
      useClass: AdaptInitializer,
    }),
  ],
});

export default plugin;
