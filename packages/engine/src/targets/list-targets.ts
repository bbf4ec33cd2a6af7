import { GraftError, messageOf } from '@graft/errors';
import type { DoctorCheck, DoctorDevice, DoctorTarget } from '../setup/doctor-check';
import { deviceOfPlugin } from './pjrt/find-plugin';
import { allPlugins, type LocatedPlugin } from './pjrt/locate-plugin';
import { probePlugin, type ProbedPlugin } from './pjrt/probe';
import { openPortableEngine } from './portable/open-engine';

const DAMAGED: ProbedPlugin = { reason: 'not opened, because a file has another SHA-256 than it should have' };

type Probe = (plugin: LocatedPlugin['plugin']) => Promise<ProbedPlugin>;

/**
 * Every target on this machine: TensorFlow (`checked`: what the doctor found of it), the PJRT plugins that an engine would
 * find, each opened in a process of its own by `probe`, and the portable one. Of files with wrong hashes (`isIntact`)
 * nothing is opened.
 */
export async function listTargets(
  checked: DoctorCheck | undefined,
  isIntact: boolean,
  probe: Probe = probePlugin,
): Promise<DoctorTarget[]> {
  const portable = await openPortableEngine('float32');
  return [
    {
      target: 'tensorflow',
      device: 'cpu',
      usable: checked?.status === 'ok',
      detail: checked?.detail ?? 'the native library is not loaded, because its hashes are wrong',
      advice: checked?.advice,
    },
    ...(await pjrtTargets(isIntact ? probe : () => Promise.resolve(DAMAGED))),
    { target: 'portable', device: 'cpu', usable: true, detail: portable.description },
  ];
}

async function pjrtTargets(probe: Probe): Promise<DoctorTarget[]> {
  let plugins: LocatedPlugin[];
  try {
    plugins = await allPlugins();
  } catch (error) {
    const advice = error instanceof GraftError ? error.hint : undefined;
    return [{ target: 'pjrt', usable: false, detail: messageOf(error), advice }];
  }
  const targets: DoctorTarget[] = [];
  // One after the other: each may take a device for itself.
  for (const located of plugins) targets.push(targetOf(located, await probe(located.plugin)));
  return targets;
}

function targetOf({ plugin: { file }, origin }: LocatedPlugin, probed: ProbedPlugin): DoctorTarget {
  const common = { target: 'pjrt', plugin: file, origin } as const;
  if ('reason' in probed) {
    const { reason, advice } = probed;
    return { ...common, device: deviceOfPlugin(file), usable: false, detail: reason, advice };
  }
  const { device, devices } = probed;
  return { ...common, device, usable: true, detail: `${named(devices)}, from ${file} (${origin})`, devices };
}

/** `8 x NVIDIA H100 80GB HBM3 with 79.2 GiB`. */
function named(devices: readonly DoctorDevice[]): string {
  const counts = new Map<string, number>();
  for (const { kind, memoryBytes } of devices) {
    const memory = memoryBytes === undefined ? '' : ` with ${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
    counts.set(kind + memory, (counts.get(kind + memory) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => (count === 1 ? kind : `${count} x ${kind}`)).join(', ');
}
