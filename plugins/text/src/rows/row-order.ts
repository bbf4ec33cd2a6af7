import type { RandomStream } from '@graft/core';
import type { Rows } from './rows';

/** Bytes of rows beyond which no more are shuffled together. */
const BUFFER_BYTES = 1 << 26;

/** Stretches that are in memory together; their rows are shuffled together. */
interface Buffer {
  readonly stretches: readonly number[];
  /** Place of the first row in the epoch. */
  readonly from: number;
}

/**
 * The order of rows in an epoch. Rows that can be read individually are shuffled over all files. Others come through a
 * buffer: files in a different order, stretches within a file too (unless it must be read forwards), and then the rows
 * of as many stretches as have `shuffleRows` rows, or 64 MiB, together. In both cases a function of the random stream
 * and the epoch alone.
 */
export class RowOrder {
  private epoch = -1;
  /** All rows of the epoch, if they can be read individually. */
  private all: Int32Array | undefined;
  private buffers: readonly Buffer[] = [];
  private held: { epoch: number; buffer: number; rows: Int32Array } | undefined;

  constructor(
    private readonly rows: Rows,
    private readonly random: RandomStream | undefined,
    private readonly shuffleRows: number,
  ) {}

  /** The row at that place; its stretch is kept in memory from then on. */
  async rowAt(epoch: number, place: number): Promise<number> {
    this.enter(epoch);
    if (!this.rows.stretches) return this.all?.[place] ?? place;
    const { held } = this;
    const inHeld = held?.epoch === epoch ? place - this.buffers[held.buffer].from : -1;
    if (inHeld >= 0 && inHeld < held!.rows.length) return held!.rows[inHeld];
    let [low, high] = [0, this.buffers.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.buffers[middle].from <= place) low = middle;
      else high = middle - 1;
    }
    const { stretches, from } = this.buffers[low];
    await this.rows.hold!(stretches);
    this.held = { epoch, buffer: low, rows: this.rowsOf(epoch, low, stretches) };
    return this.held.rows[place - from];
  }

  private enter(epoch: number): void {
    if (this.epoch === epoch) return;
    this.epoch = epoch;
    const { rows, random } = this;
    if (rows.stretches) this.buffers = this.fill(random ? this.shuffled(epoch, random) : [...rows.stretches.keys()]);
    else this.all = random?.fork('lines').fork(epoch).permutation(rows.length);
  }

  private shuffled(epoch: number, random: RandomStream): number[] {
    const { forwards } = this.rows;
    const byFile = new Map<number, number[]>();
    for (const [i, { file }] of this.rows.stretches!.entries()) byFile.set(file, [...(byFile.get(file) ?? []), i]);
    const files = [...byFile.values()];
    const ofEpoch = random.fork('files').fork(epoch);
    return [...ofEpoch.permutation(files.length)].flatMap((file) => {
      const own = files[file];
      return forwards ? own : [...ofEpoch.fork(file).permutation(own.length)].map((i) => own[i]);
    });
  }

  /** Without shuffling, one stretch at a time is enough. */
  private fill(order: readonly number[]): Buffer[] {
    const buffers: Buffer[] = [];
    let [from, rows, bytes] = [0, 0, 0];
    let stretches: number[] = [];
    for (const [i, stretch] of order.entries()) {
      stretches.push(stretch);
      rows += this.rows.stretches![stretch].rows;
      bytes += this.rows.stretches![stretch].bytes;
      const full = !this.random || rows >= this.shuffleRows || bytes >= BUFFER_BYTES;
      if (!full && i + 1 < order.length) continue;
      buffers.push({ stretches, from });
      from += rows;
      [rows, bytes, stretches] = [0, 0, []];
    }
    return buffers;
  }

  private rowsOf(epoch: number, buffer: number, stretches: readonly number[]): Int32Array {
    const rows = Int32Array.from(
      stretches.flatMap((stretch) => {
        const { first, rows: count } = this.rows.stretches![stretch];
        return Array.from({ length: count }, (_, i) => first + i);
      }),
    );
    const order = this.random?.fork('rows').fork(epoch).fork(buffer).permutation(rows.length);
    return order ? order.map((i) => rows[i]) : rows;
  }
}
