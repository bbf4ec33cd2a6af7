import { Presets, SingleBar } from 'cli-progress';
import type { Logger } from '../logger';

/** Shows how far a run is: a bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  step(step: number, metrics: Readonly<Record<string, number>>): void;
  stop(): void;
}

export function createProgress(options: { name: string; from: number; to: number; logEvery: number; logger: Logger; quiet: boolean }): Progress {
  if (options.quiet) return { step: () => undefined, stop: () => undefined };
  return process.stderr.isTTY ? bar(options) : lines(options);
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  return minutes > 0 ? `${minutes}m${String(rest).padStart(2, '0')}s` : `${rest}s`;
}

function bar({ name, from, to }: { name: string; from: number; to: number }): Progress {
  const view = new SingleBar(
    { format: `${name} {bar} {value}/{total} | loss {loss} | {rate} tokens/s | {left} left`, stream: process.stderr, hideCursor: true, fps: 5 },
    Presets.shades_classic,
  );
  view.start(to, from, { loss: '-', rate: '-', left: '-' });
  const start = performance.now();
  return {
    step(step, metrics) {
      const perStep = (performance.now() - start) / 1000 / (step - from);
      view.update(step, {
        loss: metrics.loss?.toFixed(4) ?? '-',
        rate: compact.format(metrics.tokensPerSecond ?? 0),
        left: formatDuration(perStep * (to - step)),
      });
    },
    stop: () => view.stop(),
  };
}

function lines({ name, from, to, logEvery, logger }: { name: string; from: number; to: number; logEvery: number; logger: Logger }): Progress {
  const start = performance.now();
  return {
    step(step, metrics) {
      if (step % logEvery !== 0 && step !== to && step !== from + 1) return;
      const perStep = (performance.now() - start) / 1000 / (step - from);
      logger.info(
        `${name}: step ${step}/${to}, loss ${metrics.loss?.toFixed(4)}, ${compact.format(metrics.tokensPerSecond ?? 0)} tokens/s, ${formatDuration(perStep * (to - step))} left`,
      );
    },
    stop: () => undefined,
  };
}
