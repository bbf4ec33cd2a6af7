import { resolve } from 'node:path';
import { EngineError } from '@graft/errors';
import { collectives } from '../../collectives/join';
import { makeJit } from '../../jit/jit';
import { treeLeaves } from '../../jit/tree';
import { chooseTarget } from '../../target/choose';
import { tf } from '../../tf';
import type { GraftBackend } from '../../trace/backend';
import type { Engine, EngineMemory, EngineOptions, JitOptions, Precision } from '../../types';
import type { Client } from './client';
import { deviceOfPlugin } from './find-plugin';
import { DeviceMesh } from './device-mesh';
import { loadPjrtBackend, PJRT_BACKEND } from './load-pjrt-backend';
import { locatePlugin } from './locate-plugin';
import { clientOptions, openPlugin } from './open-plugin';
import type { PjrtRuntime, PjrtTensor } from './pjrt-runtime';
import { PjrtTarget } from './pjrt-target';

interface Opened {
  /** The plugin's file. */
  readonly plugin: string;
  readonly device: string;
  readonly backend: GraftBackend<PjrtTensor, PjrtRuntime>;
  /** By their axes. */
  readonly meshes: Map<string, DeviceMesh>;
}

/** A process has one: its tensors belong to one client. */
let opening: Promise<Opened> | undefined;

/** The client of this process. Throws EngineError if it was opened for something else. */
async function openedFor(options: EngineOptions): Promise<Opened> {
  const already = await opening?.catch(() => undefined);
  if (already) return checkedAgain(already, options);
  opening = openFirst(options);
  return opening;
}

function checkedAgain(opened: Opened, { plugin, device }: EngineOptions): Opened {
  if (plugin !== undefined && resolve(plugin) !== opened.plugin)
    throw new EngineError(`The engine pjrt runs on ${opened.plugin} in this process, so ${plugin} cannot be opened.`, {
      code: 'engine.library-loaded',
    });
  if (device !== undefined && device !== opened.device)
    throw new EngineError(`The engine pjrt runs on ${opened.device} in this process, so ${device} cannot be opened.`, {
      code: 'engine.library-loaded',
    });
  return opened;
}

async function openFirst(options: EngineOptions): Promise<Opened> {
  const { plugin } = await locatePlugin(options);
  const expected = deviceOfPlugin(plugin.file);
  // Of a named plugin the device is known only here.
  chooseTarget({ ...options, target: 'pjrt', mode: 'pjrt', device: expected ?? options.device });
  const { compileCache: keeps = expected !== 'cpu', device: wanted } = options;
  const { client, device } = openPlugin(plugin, clientOptions(options), keeps, options.devices);
  if (wanted === undefined || wanted === device)
    return { plugin: plugin.file, device, backend: loadPjrtBackend(client), meshes: new Map() };
  await client.close();
  throw new EngineError(
    `engine device "${wanted}" cannot be opened with the plugin ${plugin.file}: its platform is ${client.platform}.`,
    { code: 'engine.options', exitCode: 2, hint: `Name a plugin for ${wanted}, or leave the device out.` },
  );
}

/** The statistics of the first device; nothing where its plugin has none. */
function deviceMemory({ devices: [device] }: Client): Pick<EngineMemory, 'device'> {
  try {
    return { device: device.memory() };
  } catch (error) {
    if (error instanceof EngineError && error.code === 'engine.unsupported') return {};
    throw error;
  }
}

/** An engine on the devices of a PJRT plugin: the first, unless a mesh is made. Throws EngineError if there is none. */
export async function openPjrtEngine(options: EngineOptions, precision: Precision): Promise<Engine> {
  const { backend, device, meshes } = await openedFor(options);
  await tf.setBackend(PJRT_BACKEND);
  const { runtime } = backend.binding;
  const { client } = runtime;
  const target = new PjrtTarget(backend);
  const shortCallsTarget = new PjrtTarget(backend, true);
  return {
    target: 'pjrt',
    device,
    executor: 'pjrt',
    precision,
    backend: PJRT_BACKEND,
    collectives: collectives(undefined),
    description: `PJRT ${client.platform} (${client.devices[0].kind}, ${client.devices[0].name}), ${precision} matmuls`,
    jit: (fn, jitOptions: JitOptions = {}) =>
      makeJit(
        fn,
        {
          target: jitOptions.shortCalls ? shortCallsTarget : target,
          compiles: jitOptions.executor !== 'eager',
          precision,
        },
        jitOptions,
      ),
    mesh: (axes) => {
      const key = JSON.stringify(axes);
      const mesh = meshes.get(key) ?? new DeviceMesh(backend, { ...axes });
      meshes.set(key, mesh);
      return mesh;
    },
    upload: (tensors) => {
      for (const { dataId } of treeLeaves(tensors)) backend.nativeOf(dataId, 'Uploading a tensor');
    },
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: runtime.liveTensors,
      bytes: runtime.liveBytes,
      residentBytes: process.memoryUsage.rss(),
      ...deviceMemory(client),
    }),
  };
}
