import { GenerationTask, type GenerationAnswer, type RowScore, type TaskItem, type TaskRequest } from '@graft/core';
import { checkCodeAllowed, PythonRunner } from './python-runner';

/** A task whose answers are programs of Python, which run with tests behind them. `passAt1`: the share that ends well. */
export abstract class CodeTask<Row> extends GenerationTask<Row> {
  override readonly metric = 'passAt1';
  protected override readonly maxNewTokens = 1024;
  private runner: Promise<PythonRunner> | undefined;

  /** What runs: what the model was given and wrote, and the row's tests. */
  protected abstract program(text: string, row: Row): string;

  /** Throws before anything is asked if programs may not run here. */
  override async items(request: TaskRequest): Promise<readonly TaskItem[]> {
    checkCodeAllowed(this.id, request.allowCode);
    const items = await super.items(request);
    await (this.runner ??= PythonRunner.open());
    return items;
  }

  /** Only the items of `items` are scored, which has opened the runner. */
  protected async score({ text }: GenerationAnswer, row: Row): Promise<RowScore> {
    const runner = await this.runner!;
    return { metrics: { passAt1: Number(await runner.passes(this.program(text, row))) } };
  }
}
