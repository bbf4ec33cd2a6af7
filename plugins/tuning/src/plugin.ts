import { definePlugin } from '@graft/core';

/** Preference tuning. */
export const plugin = definePlugin({
  name: '@graft/tuning',
  components: [],
});
