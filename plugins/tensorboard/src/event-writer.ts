import { DataError } from '@graft/core';
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { encodeEvent, type EventContents } from './event';
import { tfRecord } from './record';

/** TensorBoard reads files whose names contain this. */
const PREFIX = 'events.out.tfevents.';
/** From this version on, TensorBoard heeds restarts. */
const FILE_VERSION = 'brain.Event:2';

/** Writes one event file. Every call has written its event when it returns, so that a killed process loses none. */
export class EventWriter {
  private constructor(
    readonly file: string,
    /** Whether the folder had no event files before. */
    readonly isFirst: boolean,
    private descriptor: number | undefined,
  ) {}

  /**
   * A new file in a folder, which is created if it does not exist. TensorBoard reads the files of a folder in the order of their names,
   * so its name sorts after those of earlier files. Throws the system's error if it cannot be created.
   */
  static create(folder: string): EventWriter {
    mkdirSync(folder, { recursive: true });
    const earlier = readdirSync(folder).flatMap((name) =>
      name.startsWith(PREFIX) ? [Number.parseInt(name.slice(PREFIX.length), 10) || 0] : [],
    );
    const seconds = Math.max(Math.floor(Date.now() / 1000), ...earlier.map((second) => second + 1));
    const file = join(folder, `${PREFIX}${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.0`);
    const writer = new EventWriter(file, earlier.length === 0, openSync(file, 'wx'));
    writer.write(0, { fileVersion: FILE_VERSION });
    return writer;
  }

  /** The numbers of a step by tag, as single-precision floats. Tags with a common part before `/` are shown together. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    if (Object.keys(values).length > 0) this.write(step, { scalars: values });
  }

  /** A text in Markdown. */
  text(step: number, tag: string, markdown: string): void {
    this.write(step, { text: { tag, markdown } });
  }

  /** From `step` on, everything that earlier files contain is void. */
  restartAt(step: number): void {
    this.write(step, { restart: true });
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  /** Throws DataError if the disk did not take the event; then the file takes no more, because readers stop at half a record. */
  private write(step: number, contents: EventContents): void {
    if (this.descriptor === undefined) return;
    try {
      const record = tfRecord(encodeEvent(Date.now() / 1000, step, contents));
      if (writeSync(this.descriptor, record) < record.length) throw new Error('the disk is full');
    } catch (cause) {
      this.close();
      throw new DataError(
        `${this.file} cannot be written: ${(cause as Error).message}; TensorBoard gets nothing more.`,
        {
          code: 'tensorboard.write',
          cause,
        },
      );
    }
  }
}
