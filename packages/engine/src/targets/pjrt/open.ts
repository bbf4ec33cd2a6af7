import { loadPlugin } from './api';
import { Client } from './client';
import type { FoundPlugin } from './find-plugin';
import { KeepingClient } from './keeping-client';
import type { ClientOptions } from './options';

/** See `openPjrtClient` of index.ts, which loads this file on demand. */
export function openClient(plugin: FoundPlugin, options: ClientOptions, keeps: boolean): Client {
  const Opened = keeps ? KeepingClient : Client;
  return new Opened(loadPlugin(plugin.file, plugin.preload), options, plugin.flags, plugin.longCallFlags);
}
