import { hkdfSync } from 'node:crypto';
import { UsageError } from '@graft/errors';

/** The least that a group's secret may hold. */
export const LEAST_SECRET_BYTES = 16;

/**
 * The key of a group's control channel, 32 bytes, out of the secret that its workers share. Throws UsageError where there is no
 * secret, or a short one; the secret itself is in no error.
 */
export function controlKey(secret: string | Uint8Array | undefined): Uint8Array {
  const bytes = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret;
  if (!bytes || bytes.length === 0) {
    throw new UsageError('Workers on several hosts need a secret that all of them have and nobody else.', {
      code: 'workers.secret',
      hint: SECRET_HINT,
    });
  }
  if (bytes.length < LEAST_SECRET_BYTES) {
    throw new UsageError(
      `The workers' secret has ${bytes.length} bytes; it needs ${LEAST_SECRET_BYTES} or more, drawn at random.`,
      { code: 'workers.secret', hint: SECRET_HINT },
    );
  }
  return new Uint8Array(hkdfSync('sha256', bytes, '', 'graft workers control channel', 32));
}

const SECRET_HINT =
  'Make one with `(umask 077; openssl rand -hex 32 > FILE)`, copy it to every worker, and name it with --worker-secret-file FILE (or set GRAFT_WORKER_SECRET; in a program: secret).';
