import { Presets, SingleBar } from 'cli-progress';
import type { Logger } from '../util/logger';

/** Shows how far a run is: a bar on a terminal, a line now and then elsewhere. All of it on standard error. */
export interface Progress {
  step(step: number, metrics: Readonly<Record<string, number>>): void;
  /** A line of text that does not run into the bar. */
  note(text: string): void;
  stop(): void;
}

export interface ProgressOptions {
  name: string;
  /** Steps done before, and in all. */
  from: number;
  to: number;
  logEvery: number;
  logger: Logger;
  quiet: boolean;
}

export function createProgress(options: ProgressOptions): Progress {
  if (options.quiet) return { step: () => undefined, note: () => undefined, stop: () => undefined };
  return process.stderr.isTTY ? bar(options) : lines(options);
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  return minutes > 0 ? `${minutes}m${String(rest).padStart(2, '0')}s` : `${rest}s`;
}

/** Estimates the time left by what the steps since the first took: the first one compiles. */
export function timeLeft(to: number, now: () => number = () => performance.now()): (step: number) => string {
  let first: { step: number; at: number } | undefined;
  return (step) => {
    first ??= { step, at: now() };
    if (step >= to) return '0s';
    if (step === first.step) return '?';
    return formatDuration(((now() - first.at) / 1000 / (step - first.step)) * (to - step));
  };
}

function bar({ name, from, to, logger }: ProgressOptions): Progress {
  const view = new SingleBar(
    {
      format: `${name} {bar} {value}/{total} | loss {loss} | {rate} tokens/s | {left} left`,
      stream: process.stderr,
      // Hidden, it would stay so when a second Ctrl-C ends the process.
      hideCursor: false,
      fps: 5,
    },
    Presets.shades_classic,
  );
  const left = timeLeft(to);
  view.start(to, from, { loss: '-', rate: '-', left: '?' });
  return {
    step(step, { loss, tokensPerSecond }) {
      view.update(step, { loss: loss.toFixed(4), rate: compact.format(tokensPerSecond), left: left(step) });
    },
    note(text) {
      process.stderr.write('\r\x1b[K');
      logger.info(text);
      view.render();
    },
    stop: () => view.stop(),
  };
}

/** Of the time since the last line, spent waiting for data: less is nobody's concern. */
const SHOWN_WAIT_SHARE = 0.02;

function lines({ name, from, to, logEvery, logger }: ProgressOptions): Progress {
  let [waited, took] = [0, 0];
  const left = timeLeft(to);
  return {
    step(step, { loss, tokensPerSecond, seconds = 0, waitSeconds = 0 }) {
      if (step > from + 1) {
        waited += waitSeconds;
        took += seconds;
      }
      const remaining = left(step);
      if (step % logEvery !== 0 && step !== to && step !== from + 1) return;
      // The first step opens the data; later ones should find their batch ready.
      const share = took > 0 ? waited / took : 0;
      const waits = share >= SHOWN_WAIT_SHARE ? `, ${Math.round(100 * share)} % of the time waiting for data` : '';
      [waited, took] = [0, 0];
      logger.info(
        `${name}: step ${step}/${to}, loss ${loss.toFixed(4)}, ${compact.format(tokensPerSecond)} tokens/s, ${remaining} left${waits}`,
      );
    },
    note: (text) => logger.info(text),
    stop: () => undefined,
  };
}
