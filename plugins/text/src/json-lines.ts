import {
  DataError,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type RandomStream,
} from '@graft/core';
import { z } from 'zod';
import type { LineIndex } from './line-index';
import { parsePosition } from './position';

/** Token ids by field, and their weights. */
export type TokenFields = Readonly<Record<string, Int32Array | Float32Array>>;

/** What is wrong with a line, to follow its place in a sentence: `should have a text under "text"`. */
export class LineProblem extends Error {}

/** The examples that a line's JSON object becomes, one at least. Throws LineProblem. */
export type ReadLine = (object: Readonly<Record<string, unknown>>) => readonly TokenFields[];

/** Fields of examples that are read and answered. */
export const SEQUENCE_FIELDS: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1, meaning: 'token ids to read' },
  { name: 'target', dtype: 'int32', rank: 1, meaning: 'token ids to write, end of sequence included' },
];

/** Lines of JSON, shuffled over all files, as tokens. */
export class JsonLines {
  private order: { epoch: number; lines: Int32Array } | undefined;

  /** Without `random` the lines come in the order of the files. */
  constructor(
    private readonly index: LineIndex,
    private readonly readLine: ReadLine,
    private readonly random: RandomStream | undefined,
  ) {}

  get length(): number {
    return this.index.length;
  }

  /** The examples of a place in the order of a pass: a function of the random stream, the pass and the place alone. */
  async examples(epoch: number, place: number): Promise<readonly TokenFields[]> {
    const line = this.orderOf(epoch)?.[place] ?? place;
    const object = await this.parse(line);
    try {
      return this.readLine(object);
    } catch (error) {
      if (!(error instanceof LineProblem)) throw error;
      throw new DataError(`${await this.index.describe(line)} ${error.message}.`, { code: 'data.bad-line' });
    }
  }

  private async parse(line: number): Promise<Record<string, unknown>> {
    const text = await this.index.read(line);
    let problem = 'it is no object';
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    } catch (error) {
      problem = (error as Error).message;
    }
    throw new DataError(`${await this.index.describe(line)} is no JSON object on a line: ${problem}.`, {
      code: 'data.bad-line',
    });
  }

  private orderOf(epoch: number): Int32Array | undefined {
    if (!this.random) return undefined;
    if (this.order?.epoch !== epoch)
      this.order = { epoch, lines: this.random.fork('lines').fork(epoch).permutation(this.length) };
    return this.order.lines;
  }
}

const count = z.int().min(0);
const positionSchema = z.strictObject({
  data: z.string(),
  epoch: count,
  line: count,
  /** Examples of that line that were given already. */
  given: count.default(0),
});

/** The examples of one line after the other. */
export class LineExamples implements Dataset {
  readonly kind = 'examples';
  readonly length?: number;
  private epoch = 0;
  private line = 0;
  private given = 0;

  /** `perLine`: examples of every line, where that is known. */
  constructor(
    private readonly lines: JsonLines,
    readonly fields: readonly FieldSpec[],
    private readonly options: { readonly repeat: boolean; readonly fingerprint: string; readonly perLine?: number },
  ) {
    if (options.perLine !== undefined) this.length = lines.length * options.perLine;
  }

  position(): JsonValue {
    return { data: this.options.fingerprint, epoch: this.epoch, line: this.line, given: this.given };
  }

  restore(position: JsonValue): Promise<void> {
    const { epoch, line, given } = parsePosition(positionSchema, position, this.options.fingerprint);
    Object.assign(this, { epoch, line, given });
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    for (;;) {
      if (this.line >= this.lines.length) {
        if (!this.options.repeat) return undefined;
        this.epoch++;
        this.line = 0;
      }
      const examples = await this.lines.examples(this.epoch, this.line);
      for (let next = this.given; next < examples.length; next++) {
        const isLast = next + 1 === examples.length;
        this.given = isLast ? 0 : next + 1;
        if (isLast) this.line++;
        yield Object.fromEntries(
          Object.entries(examples[next]).map(
            ([field, values]) =>
              [
                field,
                { dtype: values instanceof Float32Array ? 'float32' : 'int32', shape: [values.length], values },
              ] as const,
          ),
        );
      }
    }
  }
}
