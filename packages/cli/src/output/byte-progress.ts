import { formatDuration } from '@graft/core/internal';
import type { CommandContext } from '../commands/shared/context';

export interface ByteProgress {
  update(doneBytes: number, bytes: number): void;
  /** May be called twice. */
  stop(): void;
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);

/** A bar on a terminal; nothing elsewhere or under --quiet. Speed and time left are those since the first update. */
export async function byteProgress(label: string, { globals }: CommandContext): Promise<ByteProgress> {
  if (!process.stderr.isTTY || globals.quiet) return { update: () => undefined, stop: () => undefined };
  const { Presets, SingleBar } = await import('cli-progress');
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage} % | {done}/{all} GB | {speed} GB/s | {left} left`,
      stream: process.stderr,
      // A hidden cursor would stay hidden if a second Ctrl-C ends the process.
      hideCursor: false,
      fps: 5,
    },
    Presets.shades_classic,
  );
  let first: { bytes: number; at: number } | undefined;
  return {
    update(doneBytes, bytes) {
      if (!first) {
        first = { bytes: doneBytes, at: performance.now() };
        bar.start(bytes, doneBytes, { done: gigabytes(doneBytes), all: gigabytes(bytes), speed: '-', left: '?' });
        return;
      }
      const seconds = Math.max(1e-3, (performance.now() - first.at) / 1000);
      const speed = (doneBytes - first.bytes) / seconds;
      const left = speed > 0 ? formatDuration((bytes - doneBytes) / speed) : '?';
      bar.update(doneBytes, { done: gigabytes(doneBytes), speed: (speed / 1e9).toFixed(2), left });
    },
    stop: () => bar.stop(),
  };
}
