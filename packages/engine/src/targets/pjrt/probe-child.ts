/** The process of `probePlugin`: opens the plugin that it is sent, answers with what it found, and ends. */
import { GraftError, messageOf } from '@graft/errors';
import type { FoundPlugin } from './find-plugin';
import { openPlugin } from './open-plugin';
import type { ClientOptions } from './options';
import type { Device } from './device';
import type { ProbedPlugin } from './probe';

/** What the device's allocator may take; undefined where the plugin has no statistics. */
function memoryOf(device: Device): number | undefined {
  try {
    return device.memory().bytesLimit;
  } catch {
    return undefined;
  }
}

function probe({ plugin, options }: { plugin: FoundPlugin; options: ClientOptions }): ProbedPlugin {
  try {
    const { client, device } = openPlugin(plugin, options, false);
    const devices = client.devices.map((one) => ({ kind: one.kind, name: one.name, memoryBytes: memoryOf(one) }));
    return { device, version: client.platformVersion.split('\n')[0], devices };
  } catch (error) {
    return { reason: messageOf(error), advice: error instanceof GraftError ? error.hint : undefined };
  }
}

process.once('message', (request) => {
  // Without the client's end: a plugin that crashes there has still answered.
  process.send!(probe(request as Parameters<typeof probe>[0]), () => process.exit(0));
});
