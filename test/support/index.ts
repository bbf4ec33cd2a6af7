import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export { screenAfter } from './screen';

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
