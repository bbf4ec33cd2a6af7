import { definePlugin } from '@graft/core';

export const plugin = definePlugin({ name: '@graft/superglue', components: [] });
export default plugin;
