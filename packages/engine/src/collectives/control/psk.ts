import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls';

/**
 * The control channel is TLS 1.3 with nothing but a pre-shared key (PSK): each side proves that it has the key by a
 * function of both sides' fresh random numbers, a certificate admits no peer, and all further data is encrypted,
 * numbered and authenticated with keys of this one connection. So a recorded handshake is useless later, and an
 * attacker on the path cannot read, change, repeat or add a line.
 */
const COMMON: SecureContextOptions = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // A PSK belongs to the hash of its cipher: both of these use SHA-256.
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
};
/** Contains neither group nor rank: it is sent unencrypted. */
const IDENTITY = 'graft';

export const serverOptions = (key: Uint8Array): TlsOptions => ({
  ...COMMON,
  pskCallback: (_, identity) => (identity === IDENTITY ? key : null),
});

export const clientOptions = (key: Uint8Array): ConnectionOptions => ({
  ...COMMON,
  pskCallback: () => ({ psk: key, identity: IDENTITY }),
  // Called if the other side presents a certificate instead of proving that it has the key.
  checkServerIdentity: () => new Error('A certificate does not make a worker.'),
});

/** The alerts with which the other side reports that it has another key. */
const OTHER_KEY = /_ALERT_(ILLEGAL_PARAMETER|DECRYPT_ERROR|BAD_RECORD_MAC|UNKNOWN_PSK_IDENTITY)$/;

export const isOtherKey = (code: string | undefined): boolean => code !== undefined && OTHER_KEY.test(code);

/** Whether an error of a handshake comes from a peer with another key. */
export const isWrongProof = (code: string | undefined): boolean => code === 'ERR_SSL_BINDER_DOES_NOT_VERIFY';
