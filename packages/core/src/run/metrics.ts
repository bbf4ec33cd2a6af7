import { createWriteStream, type WriteStream } from 'node:fs';
import { open, readFile, truncate } from 'node:fs/promises';
import { once } from 'node:events';

/** metrics.jsonl: one object a step, appended in order. Flushed to the disk before a checkpoint, not at every step. */
export class MetricsFile {
  private readonly stream: WriteStream;
  private failure: Error | undefined;

  private constructor(private readonly file: string) {
    this.stream = createWriteStream(file, { flags: 'a' });
    this.stream.on('error', (error) => (this.failure = error));
  }

  /** Opens the file for appending after step `step`; lines of later steps, which a killed run left, are cut off. */
  static async open(file: string, step: number): Promise<MetricsFile> {
    await keepSteps(file, step);
    return new MetricsFile(file);
  }

  append(line: Readonly<Record<string, number>>): void {
    if (this.failure) throw this.failure;
    this.stream.write(`${JSON.stringify(line)}\n`);
  }

  async flush(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.stream.write('', (error) => (error ? reject(error) : resolve()));
    });
    const handle = await open(this.file, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async close(): Promise<void> {
    this.stream.end();
    if (!this.stream.closed) await once(this.stream, 'close');
    if (this.failure) throw this.failure;
  }
}

async function keepSteps(file: string, step: number): Promise<void> {
  const bytes = await readFile(file).catch(() => undefined);
  if (!bytes) return;
  let kept = 0;
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) break;
    let line: { step?: number };
    try {
      line = JSON.parse(bytes.toString('utf8', start, end)) as { step?: number };
    } catch {
      break;
    }
    if ((line.step ?? Infinity) > step) break;
    kept = start = end + 1;
  }
  if (kept < bytes.length) await truncate(file, kept);
}
