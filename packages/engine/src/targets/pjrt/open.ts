import { loadPlugin } from './api';
import { Client } from './client';
import type { FoundPlugin } from './find-plugin';
import type { ClientOptions } from './options';

/** See `openPjrtClient` of index.ts, which loads this file on demand. */
export function openClient(plugin: FoundPlugin, options: ClientOptions): Client {
  return new Client(loadPlugin(plugin.file, plugin.preload), options, plugin.flags);
}
