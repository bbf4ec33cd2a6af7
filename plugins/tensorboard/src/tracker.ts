import { defineComponent, pathOption, type TrackedRun, type Tracker } from '@graft/core';
import { join } from 'node:path';
import { z } from 'zod';
import { EventWriter } from './event-writer';

/** Metrics of a step that are about the machine, in a group of their own. */
const HARDWARE = ['residentMemoryBytes', 'cpuCores'];

const Options = z.strictObject({
  folder: pathOption()
    .optional()
    .describe("the files go to FOLDER/NAME/ID of the run; default: the run's folder itself"),
});

/** Writes a run's numbers, config and environment as TensorBoard event files. */
export class TensorboardTracker implements Tracker {
  private writer: EventWriter | undefined;

  /** `folder`: contains one folder per run. Default: the run's own folder. */
  constructor(private readonly folder?: string) {}

  async start({ name, id, folder, config, environment, resumedFromStep }: TrackedRun): Promise<void> {
    this.writer = EventWriter.create(this.folder === undefined ? folder : join(this.folder, name, id));
    const { writer } = this;
    const step = resumedFromStep ?? 0;
    // Invalidates later steps that a killed process logged: this run will log them again.
    if (!writer.isFirst) writer.restartAt(step + 1);
    writer.text(step, 'config', asCode(config));
    if (environment) writer.text(step, 'environment', asCode(environment));
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    const entries = Object.entries(metrics).filter(([name]) => name !== 'step');
    // Training metrics do not have a group of their own.
    const groupOf = (name: string): string => (HARDWARE.includes(name) ? 'hardware' : 'train');
    const tagged = entries.map(
      ([name, value]) => [name.includes('/') ? name : `${groupOf(name)}/${name}`, value] as const,
    );
    this.writer?.scalars(step, Object.fromEntries(tagged));
  }

  async finish(): Promise<void> {
    this.writer?.close();
  }
}

/** Markdown of a JSON value. */
function asCode(value: unknown): string {
  return `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;
}

export const tensorboard = defineComponent({
  interface: 'tracker',
  id: 'tensorboard',
  description: 'numbers, config and circumstances of a run, as TensorBoard event files',
  options: Options,
  useFactory: ({ options }) => new TensorboardTracker(options.folder),
});
