import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls';

/**
 * The control channel is TLS 1.3 with a key that both sides have beforehand (PSK) and nothing else: each side proves that it has
 * the key by a function of both sides' fresh random numbers, nobody is let in by a certificate, and what follows is encrypted,
 * numbered and authenticated under keys of this one connection. So a recorded handshake is of no use later, and nobody on the
 * path reads, changes, repeats or adds a line.
 */
const COMMON: SecureContextOptions = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // A PSK goes with the hash of its cipher: both of these have SHA-256.
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
};
/** Names no group and no rank: it travels in the clear. */
const IDENTITY = 'graft';

export const serverOptions = (key: Uint8Array): TlsOptions => ({
  ...COMMON,
  pskCallback: (_, identity) => (identity === IDENTITY ? key : null),
});

export const clientOptions = (key: Uint8Array): ConnectionOptions => ({
  ...COMMON,
  pskCallback: () => ({ psk: key, identity: IDENTITY }),
  // Called where the other side shows a certificate instead of proving that it has the key.
  checkServerIdentity: () => new Error('A certificate does not make a worker.'),
});

/** By which alerts the other side says that it has another key. */
const OTHER_KEY = /_ALERT_(ILLEGAL_PARAMETER|DECRYPT_ERROR|BAD_RECORD_MAC|UNKNOWN_PSK_IDENTITY)$/;

export const isOtherKey = (code: string | undefined): boolean => code !== undefined && OTHER_KEY.test(code);

/** Whether an error of a handshake is that of somebody who has another key. */
export const isWrongProof = (code: string | undefined): boolean => code === 'ERR_SSL_BINDER_DOES_NOT_VERIFY';
