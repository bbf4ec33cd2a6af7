import { noMesh } from '../../mesh/no-mesh';
import { collectives } from '../../collectives/join';
import { makeJit } from '../../jit/jit';
import { tf } from '../../tf';
import type { Engine, JitOptions, Precision } from '../../types';
import { preparePortableBackend } from './backend';
import { PORTABLE_TARGET } from './portable-target';

/** An engine on tfjs's own backends. `fallbackReason`: why nothing faster is used, as a sentence. */
export async function openPortableEngine(precision: Precision, fallbackReason?: string): Promise<Engine> {
  const backend = await preparePortableBackend();
  await tf.setBackend(backend);
  return {
    target: 'portable',
    device: 'cpu',
    executor: 'portable',
    precision,
    backend,
    fallbackReason,
    mesh: noMesh,
    collectives: collectives(undefined),
    description: `portable (tfjs ${tf.version_core}, ${backend})`,
    jit: (fn, jitOptions: JitOptions = {}) =>
      makeJit(fn, { target: PORTABLE_TARGET, compiles: false, precision }, jitOptions),
    upload: () => undefined,
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: 0,
      bytes: tf.memory().numBytes,
      residentBytes: process.memoryUsage.rss(),
    }),
  };
}
