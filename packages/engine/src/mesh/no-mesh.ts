import { EngineError } from '@graft/errors';

/** `Engine.mesh` of engines that compute on one device. */
export function noMesh(): never {
  throw new EngineError('A mesh of devices needs the engine pjrt; this engine computes on one device.', {
    code: 'engine.mesh',
    exitCode: 2,
    hint: 'Set `engine.mode: pjrt` and `engine.plugin`, or leave `train.mesh` out. Workers (`--local-workers`) share the work on CPUs.',
  });
}
