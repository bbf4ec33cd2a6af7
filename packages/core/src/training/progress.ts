import { formatCompact, timeLeft } from './duration';
import { EvaluationText } from './evaluation-progress';
import { progressBar } from './progress-bar';
import type { Progress, ProgressOptions } from './progress-types';

/** A bar on a terminal, otherwise a line now and then; nothing if it should be quiet. */
export function createProgress(options: ProgressOptions): Progress {
  const nothing = (): void => undefined;
  if (options.quiet) return { begin: nothing, step: nothing, evaluating: nothing, note: nothing, stop: nothing };
  return process.stderr.isTTY ? progressBar(options) : lines(options);
}

/** Share of the time since the last line that the run spent waiting for data: a smaller one is not worth mentioning. */
const SHOWN_WAIT_SHARE = 0.02;

/** Without a terminal, a long evaluation reports its progress at this interval. */
const EVALUATION_LINE_SECONDS = 30;

function lines({ name, from, to, logEvery, logger }: ProgressOptions): Progress {
  let [waited, took] = [0, 0];
  const left = timeLeft(to);
  let evaluation: { readonly text: EvaluationText; next: number } | undefined;
  return {
    begin: () => undefined,
    evaluating(evaluator, report) {
      if (evaluator !== evaluation?.text.evaluator)
        evaluation =
          evaluator === undefined ? undefined : { text: new EvaluationText(evaluator), next: EVALUATION_LINE_SECONDS };
      if (!report || !evaluation) return;
      const { text } = evaluation;
      text.update(report);
      if (text.seconds < evaluation.next) return;
      evaluation.next = text.seconds + EVALUATION_LINE_SECONDS;
      logger.info(`${name}: ${text.toString()}`);
    },
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
        `${name}: step ${step}/${to}, loss ${loss.toFixed(4)}, ${formatCompact(tokensPerSecond)} tokens/s, ${remaining} left${waits}`,
      );
    },
    note: (text) => logger.info(text),
    stop: () => undefined,
  };
}
