import { DataError, defineComponent } from '@graft/core';
import { z } from 'zod';
import { HuggingFaceTokenizer } from './huggingface';
import { SidesTokenizer } from './sides';

/** The tokenizer of the checkpoint from which a run starts, or those of its two sides. */
export const checkpoint = defineComponent({
  interface: 'tokenizer',
  id: 'checkpoint',
  description: "that of the run's checkpoint, or those of its two sides: tokenizer.json in its folder",
  options: z.strictObject({}),
  useFactory: async ({ run }) => {
    if (!run?.tokenizerFolders)
      throw new DataError('No tokenizer is named, and the run starts from no checkpoint with a tokenizer.json.', {
        code: 'tokenizer.missing',
        exitCode: 2,
        hint: 'Name one there, as in `tokenizer: { use: huggingface, path: FOLDER }`, or on the command line by --set.',
      });
    const { encoder, decoder } = run.tokenizerFolders;
    const own = await HuggingFaceTokenizer.open({ path: decoder });
    return encoder === undefined ? own : new SidesTokenizer(await HuggingFaceTokenizer.open({ path: encoder }), own);
  },
});
