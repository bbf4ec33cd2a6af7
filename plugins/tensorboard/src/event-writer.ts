import { DataError } from '@graft/core';
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { encodeEvent, type EventContents } from './event';
import { tfRecord } from './record';

/** TensorBoard reads files whose names contain this. */
const PREFIX = 'events.out.tfevents.';
/** From this version on, TensorBoard respects restart events. */
const FILE_VERSION = 'brain.Event:2';

/**
 * Writes one event file. Each call returns only after its event has been written, so that a killed process loses none.
 */
export class EventWriter {
  private constructor(
    readonly file: string,
    /** Whether the folder had no event files before. */
    readonly isFirst: boolean,
    private descriptor: number | undefined,
  ) {}

  /**
   * Creates a new file in a folder, and the folder if necessary. TensorBoard reads the files of a folder in the order
   * of their names, so the new name sorts after those of earlier files. Throws the system's error on failure.
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

  /**
   * Writes the numbers of a step by tag, as single-precision floats. TensorBoard groups tags by the part before `/`.
   */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    if (Object.keys(values).length > 0) this.write(step, { scalars: values });
  }

  /** Writes a text in Markdown. */
  text(step: number, tag: string, markdown: string): void {
    this.write(step, { text: { tag, markdown } });
  }

  /** Invalidates everything that earlier files contain from `step` on. */
  restartAt(step: number): void {
    this.write(step, { restart: true });
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  /**
   * Throws DataError if the disk did not accept the event. The file then accepts no more events, because readers stop
   * at an incomplete record.
   */
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
