import { EngineError } from '@graft/errors';
import { collectives } from '../../collectives/join';
import { makeJit } from '../../jit/jit';
import { tf } from '../../tf';
import type { GraftBackend } from '../../trace/backend';
import type { Engine, EngineOptions, JitOptions, Precision } from '../../types';
import { DeviceMesh } from './device-mesh';
import { pluginAt } from './find-plugin';
import { loadPjrtBackend, PJRT_BACKEND } from './load-pjrt-backend';
import type { PjrtRuntime, PjrtTensor } from './pjrt-runtime';
import { PjrtTarget } from './pjrt-target';

interface Opened {
  readonly plugin: string;
  readonly backend: GraftBackend<PjrtTensor, PjrtRuntime>;
  /** By their axes. */
  readonly meshes: Map<string, DeviceMesh>;
}

/** A process has one: its tensors belong to one client. */
let opened: Opened | undefined;

function openedWith({ plugin, devices }: EngineOptions): Opened {
  const named = plugin ?? process.env.GRAFT_PJRT_PLUGIN;
  if (opened) {
    if (named === undefined || named === opened.plugin) return opened;
    throw new EngineError(`The engine pjrt runs on ${opened.plugin} in this process, so ${named} cannot be opened.`, {
      code: 'engine.library-loaded',
    });
  }
  if (!named)
    throw new EngineError('The engine pjrt needs a plugin, but none is named.', {
      code: 'engine.pjrt-plugin',
      exitCode: 2,
      hint: "Set `engine.plugin`, or GRAFT_PJRT_PLUGIN, to a PJRT plugin's shared library, such as xla_cuda_plugin.so of jax-cuda13-pjrt.",
    });
  return (opened = { plugin: named, backend: loadPjrtBackend(pluginAt(named), devices), meshes: new Map() });
}

/** An engine on the devices of a PJRT plugin: the first, unless a mesh is made. Throws EngineError if there is none. */
export async function openPjrtEngine(options: EngineOptions, precision: Precision): Promise<Engine> {
  const { backend, meshes } = openedWith(options);
  await tf.setBackend(PJRT_BACKEND);
  const { runtime } = backend.binding;
  const { client } = runtime;
  const target = new PjrtTarget(backend);
  return {
    executor: 'pjrt',
    precision,
    backend: PJRT_BACKEND,
    collectives: collectives(undefined),
    description: `PJRT ${client.platform} (${client.devices[0].name}), ${precision} matmuls`,
    jit: (fn, options: JitOptions = {}) =>
      makeJit(fn, { target, compiles: options.executor !== 'eager', precision }, options),
    mesh: (axes) => {
      const key = JSON.stringify(axes);
      const mesh = meshes.get(key) ?? new DeviceMesh(backend, { ...axes });
      meshes.set(key, mesh);
      return mesh;
    },
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: runtime.liveTensors,
      bytes: runtime.liveBytes,
      residentBytes: process.memoryUsage.rss(),
    }),
  };
}
