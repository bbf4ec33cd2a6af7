import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Systems give outgoing connections ports from 32768 on (Linux) or 49152 on: one of those could be taken between the moment
 * when it was found free and the moment when a worker listens.
 */
const [FIRST_PORT, END_PORT] = [10_000, 32_768];
const ATTEMPTS = 20;

/** A port that is free now, and that the system does not give to connections. */
export async function freePort(host?: string): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return await listenOnce(randomInt(FIRST_PORT, END_PORT), host);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
    }
  }
  // Many are in use: any port, then.
  return listenOnce(0, host);
}

/** Listens for a moment; rejects with the system's reason. */
export function listenOnce(port: number, host?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

/** `host:port` of different ports that are free now. */
export async function freeAddresses(count: number, host = '127.0.0.1'): Promise<string[]> {
  const addresses = new Set<string>();
  // Consecutive calls may return the same port.
  while (addresses.size < count) addresses.add(`${host}:${await freePort(host)}`);
  return [...addresses];
}
