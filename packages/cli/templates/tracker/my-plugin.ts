import { defineComponent, type EndStatus, type RunInfo, type Tracker } from '@graft/core';
import { appendFile, mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';

/** Appends the metrics of every step to a file, one JSON object a line. */
export const myPluginOptions = z.strictObject({
  file: z.string().min(1).default('metrics.ndjson').describe('the file, which several runs may share'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export class MyPlugin implements Tracker {
  private readonly file: string;
  private run = '';
  /** Writes happen one after the other; `log` does not wait for them. */
  private writing: Promise<void> = Promise.resolve();

  constructor({ file }: MyPluginOptions) {
    this.file = resolve(file);
  }

  async start({ name, id, resumedFromStep }: RunInfo): Promise<void> {
    this.run = `${name}/${id}`;
    await mkdir(dirname(this.file), { recursive: true });
    this.write({ event: 'start', resumedFromStep });
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    this.write({ step, metrics });
  }

  async finish(status: EndStatus): Promise<void> {
    this.write({ event: 'end', status });
    // A failure is reported here; it never stops the run.
    await this.writing;
  }

  private write(line: object): void {
    const text = `${JSON.stringify({ run: this.run, ...line })}\n`;
    this.writing = this.writing.then(() => appendFile(this.file, text));
    // The failure stays in `writing` for `finish`; without this it would end the process.
    this.writing.catch(() => undefined);
  }
}

export const myPlugin = defineComponent({
  interface: 'tracker',
  id: 'my-plugin',
  description: 'appends metrics to a file, one JSON object a line',
  options: myPluginOptions,
  useFactory: ({ options }) => new MyPlugin(options),
});
