import { DataError, defineComponent, parseOptions, type EvaluationContext, type Evaluator } from '@graft/core';
import { join } from 'node:path';
import { grid } from './grid';
import { LeaderboardProtocol } from './leaderboard/leaderboard-protocol';
import { superGlueOptions, type ResolvedSuperGlueOptions, type SuperGlueOptions } from './options';
import { PaperProtocol } from './paper-protocol';
import type { Parts, Protocol } from './protocol';
import { intervalNumbers, meansBySeed, Search, taskNumbers } from './search';
import { TrialStore } from './trial-store';

/**
 * SuperGLUE by fine-tuning: for each task a copy of the model is fine-tuned on the training set, for every point of a grid,
 * and the score on the validation set counts. In mode `paper` (2504.06225, section 4) a fresh head reads the encoder's last
 * token and the score is the accuracy; in mode `leaderboard` the model answers in words, as in T5, and the score is the
 * mean of the benchmark's metrics of the task.
 *
 * Returns `<task>/accuracy` (or `/score`) and the benchmark's own metrics, `<task>/majority` (the accuracy of always
 * predicting the most frequent class), the choice (`<task>/learningRate`, `/batchSize`, `/dropout`, `/modelDropout`, `/epoch`),
 * and `mean`: over the paper's seven tasks, without ReCoRD, or the leaderboard's eight; `partialMean` where only some of
 * them were evaluated. With several seeds, scores are means, and `/accuracyLow`, `/accuracyHigh`, `meanLow` and `meanHigh`
 * the ends of their 95 % bootstrap intervals.
 */
export class SuperGlueEvaluator implements Evaluator {
  private readonly options: ResolvedSuperGlueOptions;

  /** `options` name tokenizer, optimizer and schedule as well: what determines a trial's numbers is stored with it. */
  constructor(
    private readonly parts: Parts,
    options: SuperGlueOptions,
  ) {
    this.options = parseOptions(superGlueOptions, options, 'SuperGlueEvaluator');
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { options } = this;
    if (options.modelDropouts && !context.model.dropout) {
      throw new DataError('modelDropouts names rates of dropout, but this model has no place for it.', {
        code: 'superglue.no-dropout',
        exitCode: 2,
        hint: 'Leave modelDropouts out.',
      });
    }
    const protocol =
      options.mode === 'leaderboard'
        ? await LeaderboardProtocol.open(this.parts, options, context.model)
        : new PaperProtocol(this.parts, options, context.model);
    try {
      await protocol.check();
      return await this.numbers(protocol, context);
    } finally {
      protocol.dispose();
    }
  }

  private async numbers(protocol: Protocol, context: EvaluationContext): Promise<Record<string, number>> {
    const { headline, tasks, conditions, meanOf } = protocol;
    const { logger, run } = this.parts;
    const { select, seeds, dropouts, ...others } = this.options;
    const search = new Search(
      {
        trials: grid({ ...others, dropouts: protocol.hasHead ? dropouts : undefined }),
        store: new TrialStore(run && join(run.folder, 'superglue')),
        ...{ select, seeds, headline, conditions, logger },
      },
      context,
    );
    const numbers: Record<string, number> = {};
    const counting: (readonly (number | undefined)[])[] = [];
    for (const [index, id] of tasks.entries()) {
      const task = await protocol.open(id);
      const found = await search.run(task, `${id} (${index + 1} of ${tasks.length})`);
      const finished = found.epochs.filter((epoch) => epoch !== undefined);
      const further = (await task.finish?.(finished)) ?? {};
      Object.assign(numbers, taskNumbers(task, headline, found, further));
      if (task.inMean) counting.push(found.epochs.map((epoch) => epoch?.scores[headline]));
    }
    if (counting.length === 0) return numbers;
    const name = counting.length === meanOf ? 'mean' : 'partialMean';
    return { ...numbers, ...intervalNumbers(name, meansBySeed(counting)) };
  }
}

export const superGlue = defineComponent({
  interface: 'evaluator',
  id: 'superglue',
  description: 'fine-tunes on SuperGLUE tasks and scores them, in the protocol of the paper or of the leaderboard',
  options: superGlueOptions,
  useFactory: async ({ options, components, engine, logger, run }) => {
    const { mode, folder: data, tasks, tokenizer } = options;
    if (mode === 'prompted') return components.create('evaluator', { use: 'benchmarks', data, tasks, tokenizer });
    return new SuperGlueEvaluator(
      {
        engine,
        logger,
        tokenizer: await components.create('tokenizer', tokenizer),
        optimizer: await components.create('optimizer', options.optimizer),
        schedule: await components.create('schedule', options.schedule),
        components,
        run,
      },
      options,
    );
  },
});
