import { hkdfSync } from 'node:crypto';
import { UsageError } from '@graft/errors';

/** Minimum length of a group's secret, in bytes. */
export const LEAST_SECRET_BYTES = 16;

/**
 * The key of a group's control channel, 32 bytes, derived from the secret that its workers share. Throws UsageError if
 * the secret is missing or short; no error contains the secret itself.
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
