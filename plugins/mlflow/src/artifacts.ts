import { readRegularFile } from '@graft/core/internal';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MlflowClient } from './client';
import { CallFailure, isRefusal } from './http';

const REPORT = 'report.html';
/** Files of a run's folder that the server gets at its end. */
const ARTIFACTS: readonly string[] = ['config.json', 'environment.json', 'evaluations.json', 'log.txt', REPORT];
const LARGEST_BYTES = 64 << 20;

/** The artifacts that there are at the end of a run. `report` is written to the folder first, so that it can wait for the server. */
export async function artifactsIn(folder: string, report?: () => Promise<string>): Promise<string[]> {
  if (report) await writeFile(join(folder, REPORT), await report());
  const found = await Promise.all(
    ARTIFACTS.map((name) =>
      access(join(folder, name)).then(
        () => [name],
        () => [],
      ),
    ),
  );
  return found.flat();
}

/**
 * The path under which the server's proxy keeps a run's artifacts; undefined if it keeps them elsewhere, where only clients with
 * access to that storage can put them.
 *
 *     proxyPath('mlflow-artifacts:/3/0a1b/artifacts')   ->   ['3', '0a1b', 'artifacts']
 */
export function proxyPath(artifactUri: string): string[] | undefined {
  const [, path] = /^mlflow-artifacts:\/(?:\/[^/]*\/)?([^?#]*)$/.exec(artifactUri) ?? [];
  const segments = path?.split('/').filter((segment) => segment !== '');
  return segments?.some((segment) => segment === '.' || segment === '..') ? undefined : segments;
}

/**
 * Sends files of a run's folder, taking off the list what the server has. Resolves to a clause if the server keeps no
 * artifacts itself, and then takes off everything. Rejects if it does not answer.
 */
export async function sendArtifacts(
  client: MlflowClient,
  runId: string,
  folder: string,
  names: string[],
): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  try {
    const root = proxyPath(await client.artifactUri(runId));
    if (!root) {
      names.length = 0;
      return 'it leaves artifacts to storage that only its own clients reach (no --serve-artifacts)';
    }
    // All at once: the end of a run waits for them, and a server may take seconds for each.
    const sent = await Promise.allSettled(
      [...names].map(async (name) => {
        const bytes = await readRegularFile(join(folder, name), { maxBytes: LARGEST_BYTES }).catch(() => undefined);
        // A file that was removed meanwhile, or that is too large, is left out.
        if (bytes) await client.putArtifact([...root, name], bytes);
        names.splice(names.indexOf(name), 1);
      }),
    );
    const failed = sent.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return undefined;
  } catch (error) {
    if (!(error instanceof CallFailure) || !(isRefusal(error) || error.kind === 'refused')) throw error;
    names.length = 0;
    return error.message;
  }
}
