import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The repository's root. */
export const ROOT = resolve(__dirname, '..', '..');

/** Reference data beside the repository, where a developer has them; undefined elsewhere. */
export const SHARED: string | undefined = ((): string | undefined => {
  const folder = resolve(ROOT, '..', 'shared');
  return existsSync(join(folder, 'fixtures')) ? folder : undefined;
})();

/**
 * `describe`, or its skipped form with the reason in its name where the machine lacks what the tests need. The body runs in both,
 * so that tests are counted: what may be missing is read inside of them.
 */
export function describeIf(condition: boolean, reason: string, name: string, body: () => void): void {
  if (condition) describe(name, body);
  else describe.skip(`${name} (skipped: ${reason})`, body);
}

/** Tests of the native engine, which needs Linux. */
export function describeNative(name: string, body: () => void): void {
  describeIf(existsSync('/proc/self/maps'), 'the native engine needs Linux', name, body);
}

/** The error that a promise is rejected with. */
export function failureOf<E = Error & { code: string; exitCode: number; hint?: string }>(
  promise: Promise<unknown>,
): Promise<E> {
  return promise.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: E) => error,
  );
}

/** The reason of a signal, when it is aborted. */
export async function abortReason<E = Error>(signal: AbortSignal): Promise<E> {
  if (!signal.aborted) await once(signal, 'abort');
  return signal.reason as E;
}

/** The largest absolute difference of two lists; infinite where lengths differ or a value is not a number. One `expect` for all. */
export function worstDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i] - expected[i]);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

const made: string[] = [];

/** A folder that goes when the test file is done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'graft-test-'));
  made.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** The lines that a terminal of this width shows after such an output: knows what a status line uses, and wrapping. */
export function screenAfter(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  const goDown = (): void => {
    row++;
    if (row === rows.length) rows.push([]);
  };
  for (const [part, control] of output.matchAll(/(\p{Cc}\[[0-9;?]*[A-Za-z]|\r|\n)|[^\p{Cc}]/gu)) {
    if (control === '\r') column = 0;
    else if (control === '\n') goDown();
    else if (control === '\x1b[2K') rows[row] = [];
    else if (control === '\x1b[K') rows[row].length = Math.min(rows[row].length, column);
    else if (control === undefined) {
      if (column === columns) {
        goDown();
        column = 0;
      }
      while (rows[row].length < column) rows[row].push(' ');
      rows[row][column++] = part;
    }
  }
  const lines = rows.map((cells) => cells.join('').trimEnd());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}
