import { definePlugin } from '@graft/core';
import { myPlugin } from './my-plugin';

export const plugin = definePlugin({ name: 'my-package', version: '0.1.0', components: [myPlugin] });
export * from './my-plugin';
