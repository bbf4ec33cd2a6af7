import { createServer } from 'node:net';

/** A port that is free now. */
export function freePort(host?: string): Promise<number> {
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
