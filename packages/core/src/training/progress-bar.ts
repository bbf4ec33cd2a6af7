import { barOf, cutTo, openStatusLine } from '../util/status-line';
import { formatCompact, formatDuration, timeLeft } from './duration';
import { EvaluationText } from './evaluation-progress';
import type { Progress, ProgressOptions } from './progress-types';

interface Rates {
  readonly loss: string;
  readonly tokensPerSecond: string;
  readonly left: string;
}

export interface BarState {
  readonly name: string;
  readonly step: number;
  /** Steps of the run; 0: show only evaluations. */
  readonly steps: number;
  /** Shown instead of the rates, and before there are any. */
  readonly activity?: string;
  readonly rates?: Rates;
}

/** Below this many columns the unit of speed is short, and above it long. */
const WIDE = 100;

const LONGEST_NAME = 24;

/** Faster evaluations would only make the line flicker. */
const SHOWN_EVALUATION_SECONDS = 1;

/** One line of this many columns. Never cuts the end of the line, but shortens the name and the bar. */
export function barLine({ name, step, steps, activity, rates }: BarState, columns: number): string {
  const unit = columns < WIDE ? 'tok/s' : 'tokens/s';
  const shownRates = rates && `loss ${rates.loss} | ${rates.tokensPerSecond} ${unit} | ${rates.left} left`;
  const tail = cutTo(activity ?? shownRates ?? 'starting', columns);
  const count = steps > 0 ? `${step}/${steps} | ` : '';
  const room = columns - tail.length - count.length;
  if (room < 0) return tail;
  const shortest = Math.min(name.length, LONGEST_NAME);
  const shown = cutTo(name, Math.min(Math.max(shortest, columns - 80), room - 1));
  const afterName = shown === '' ? '' : ' ';
  if (steps === 0) return `${shown}${afterName}${tail}`;
  const bar = barOf(step / steps, room - shown.length - 2);
  return `${shown}${afterName}${bar}${bar === '' ? '' : ' '}${count}${tail}`;
}

/** Progress on a terminal: a line that changes in place, below those of the log. */
export function progressBar({ name, from, to, logger }: ProgressOptions): Progress {
  const view = openStatusLine();
  const left = timeLeft(to);
  let step = from;
  let rates: Rates | undefined;
  let activity: { readonly text: string; readonly since: number } | undefined;
  let evaluation: EvaluationText | undefined;
  const activityText = (): string | undefined => {
    if (evaluation && evaluation.seconds >= SHOWN_EVALUATION_SECONDS) return evaluation.toString();
    return activity && `${activity.text}, ${formatDuration((performance.now() - activity.since) / 1000)}`;
  };
  const render = (columns: number): string =>
    barLine({ name, step, steps: to, activity: activityText(), rates }, columns);
  view.show(render, true);
  return {
    begin(text) {
      activity = { text, since: performance.now() };
      view.show(render, true);
    },
    step(done, { loss, tokensPerSecond }) {
      step = done;
      activity = undefined;
      rates = { loss: loss.toFixed(4), tokensPerSecond: formatCompact(tokensPerSecond), left: left(done) };
      view.show(render);
    },
    evaluating(evaluator, report) {
      if (evaluator !== evaluation?.evaluator)
        evaluation = evaluator === undefined ? undefined : new EvaluationText(evaluator);
      if (report) evaluation?.update(report);
      view.show(render);
    },
    note: (text) => logger.info(text),
    stop() {
      activity = evaluation = undefined;
      // After an evaluation alone there is nothing left to show.
      view.end({ keep: to > 0 });
    },
  };
}
