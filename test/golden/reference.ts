/**
 * The published implementation's own numbers (fixtures/README.md says how they were made), and the tolerances under
 * which they are met. No tolerance here is ever to be widened.
 */
import { readHostTensors } from '@graft/checkpoint';
import type { HostArray } from '@graft/core';
import type { EngineMode } from '@graft/engine';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuPluginFile } from '@graft/engine/internal';
import { ROOT, SHARED } from '../support';

const COPIED = join(ROOT, 'test', 'golden', 'fixtures');

/** A fixture's folder: the copy in the repository, else the one beside it; undefined where neither is. */
export function fixture(name: string): string | undefined {
  const candidates = [join(COPIED, name), ...(SHARED === undefined ? [] : [join(SHARED, 'fixtures', name)])];
  return candidates.find((place) => existsSync(place));
}

export const MISSING = 'this case is not copied into the repository, and ../shared/fixtures is not here';

/** Every way of running on native TensorFlow, where there is a build of it. */
export const NATIVE_MODES: readonly EngineMode[] =
  process.platform === 'linux' && process.arch === 'x64' ? ['eager', 'xla', 'graph', 'mixed'] : [];

/** Those that start at once, and those in which XLA compiles: each program takes seconds there. */
export const QUICK_NATIVE_MODES: readonly EngineMode[] = NATIVE_MODES.filter(
  (mode) => mode === 'eager' || mode === 'graph',
);
export const COMPILING_MODES: readonly EngineMode[] = NATIVE_MODES.filter((mode) => !QUICK_NATIVE_MODES.includes(mode));

/** The engine `pjrt` on the plugin that is named, otherwise on XLA's for CPUs, where `npm test` could fetch it. */
const plugin = process.env.GRAFT_PJRT_PLUGIN ?? cpuPluginFile();
if (plugin !== undefined) process.env.GRAFT_PJRT_PLUGIN = plugin;
export const PJRT_MODES: readonly EngineMode[] = plugin === undefined ? [] : ['pjrt'];
/** What targets share is tested once; the slow tests run everything on each. */
export const SLOW_PJRT_MODES: readonly EngineMode[] = process.env.GRAFT_SLOW ? PJRT_MODES : [];

export const TOLERANCE = { states: 1e-4, logits: 1e-4, loss: 1e-5, gradientOfLargest: 1e-4 } as const;

export function readJson<T>(folder: string, file: string): T {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as T;
}

export function expectedTensors(folder: string): Promise<Record<string, HostArray>> {
  return readHostTensors(join(folder, 'expected.safetensors'));
}

/** Largest difference over the positions [B, T] where the mask is 1, of values [B, T, width]. */
export function largestDifference(got: HostArray, expected: HostArray, mask?: HostArray): number {
  expect(got.shape).toEqual(expected.shape);
  const width = expected.shape[expected.shape.length - 1] ?? 1;
  let largest = 0;
  for (let i = 0; i < expected.values.length; i++) {
    if (mask && mask.values[Math.floor(i / width)] === 0) continue;
    // NaN would pass every comparison with `>`.
    largest = Math.max(largest, Number.isNaN(got.values[i]) ? Infinity : Math.abs(got.values[i] - expected.values[i]));
  }
  return largest;
}

export function largestMagnitude({ values }: HostArray): number {
  return Array.from(values).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
