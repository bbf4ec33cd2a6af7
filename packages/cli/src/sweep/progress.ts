/** What a sweep reports while it runs. */
import type { FoundRun, Sweep, Trial, TrialEvent } from '@graft/core';
import type { CommandContext } from '../commands/shared/context';
import { betterIn, foundRuns, writeResults, type ResultReader } from './results';
import { numberText } from './sweep-table';

/** An evaluation has no steps. */
const atStep = ({ kind }: Trial, run: FoundRun | undefined): string =>
  kind === 'training' ? ` at step ${run?.record.steps ?? 0}` : '';

/** Lines about trials as they start and end, and the files that follow. */
export class Progress {
  private readonly numbers: ReadonlyMap<string, number>;
  private readonly began = new Map<string, number>();
  /** Metrics of which it was said that a trial does not have them. */
  private readonly missing = new Set<string>();

  constructor(
    private readonly sweep: Sweep,
    private readonly reader: ResultReader,
    private readonly context: CommandContext,
  ) {
    this.numbers = new Map([...new Set(sweep.trials.map(({ id }) => id))].map((id, i) => [id, i + 1]));
  }

  numberOf({ id }: Trial): number {
    return this.numbers.get(id)!;
  }

  async report(event: TrialEvent): Promise<void> {
    const { trial } = event;
    const title = `${this.numberOf(trial)}/${this.numbers.size} ${trial.label}`;
    const { formatMemory } = await import('@graft/core/internal');
    switch (event.kind) {
      case 'skipped':
        return this.context.note(`${title}: finished before`);
      case 'waiting':
        return this.context.note(`${title}: waits for memory; it needs about ${formatMemory(event.bytes)}`);
      case 'large':
        return this.context.note(
          `${title}: needs about ${formatMemory(event.bytes)} of memory, which is more than there is: the system may end it`,
        );
      case 'started':
        this.began.set(trial.id, performance.now());
        return this.context.note(
          event.unfinished ? `${title}: goes on${atStep(trial, event.unfinished)}` : `${title}: started`,
        );
      case 'ended':
        return this.reportEnd(trial, title, event.end);
    }
  }

  /** The table will lack what it should show: said once, after the first trial instead of the last one. */
  private async noteMissing(title: string, metrics: Readonly<Record<string, number>>): Promise<void> {
    const { didYouMean } = await import('@graft/core');
    for (const { metric } of this.sweep.metrics ?? []) {
      if (metric in metrics || this.missing.has(metric)) continue;
      this.missing.add(metric);
      this.context.warn(`${title}: it has no metric "${metric}"${didYouMean(metric, Object.keys(metrics)) || '.'}`);
    }
  }

  private async reportEnd(
    trial: Trial,
    title: string,
    end: Extract<TrialEvent, { kind: 'ended' }>['end'],
  ): Promise<void> {
    const found = await foundRuns(this.sweep);
    const run = found.get(trial.id);
    if (end.status === 'interrupted') return this.context.note(`${title}: stopped${atStep(trial, run)}`);
    if (end.status === 'failed') {
      // A failure is reported even to those who want no progress.
      return this.context.warn(`${title}: failed. ${end.problem}${run ? `\nIts log: ${run.folder}/log.txt` : ''}`);
    }
    const results = await this.reader.read(found);
    const { metrics } = results.trials.find((one) => one.trial.id === trial.id)!;
    const better = await betterIn(this.sweep);
    const [main] = this.sweep.metrics?.map(({ metric }) => metric) ?? [
      Object.keys(metrics).find((name) => name.includes('/') && better(name)) ?? 'loss',
    ];
    const seconds = (performance.now() - this.began.get(trial.id)!) / 1000;
    const number = main in metrics ? `, ${main} ${numberText(metrics[main])}` : '';
    this.context.note(`${title}: finished in ${seconds.toFixed(1)} s${number}`);
    await this.noteMissing(title, metrics);
    await writeResults(this.sweep, results);
  }
}
