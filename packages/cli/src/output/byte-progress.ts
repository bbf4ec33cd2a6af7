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
  const { barOf, cutTo, formatDuration, openStatusLine } = await import('@graft/core/internal');
  const line = openStatusLine();
  let first: { bytes: number; at: number } | undefined;
  return {
    update(doneBytes, bytes) {
      first ??= { bytes: doneBytes, at: performance.now() };
      const seconds = (performance.now() - first.at) / 1000;
      const speed = seconds > 0 ? (doneBytes - first.bytes) / seconds : 0;
      const left = speed > 0 ? formatDuration((bytes - doneBytes) / speed) : '?';
      const share = bytes > 0 ? doneBytes / bytes : 1;
      const tail = `${Math.floor(100 * share)} % | ${gigabytes(doneBytes)}/${gigabytes(bytes)} GB | ${speed > 0 ? (speed / 1e9).toFixed(2) : '-'} GB/s | ${left} left`;
      line.show((columns) => {
        const bar = barOf(share, columns - label.length - tail.length - 2);
        return cutTo(`${label} ${bar}${bar === '' ? '' : ' '}${tail}`, columns);
      });
    },
    stop: () => line.end(),
  };
}
