import { WorkersError } from '@graft/errors';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Throws WorkersError for anything but `host:port`. IPv6 hosts are in brackets. */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]\s]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) {
    throw new WorkersError(
      `"${text}" is not the address of a worker; expected host:port with a port from 1 to 65535.`,
      {
        code: 'workers.address',
        exitCode: 2,
      },
    );
  }
  return { host: bracketed ?? plain, port };
}

export const formatAddress = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Throws WorkersError if the list, or the rank in it, cannot belong to a group. */
export function checkWorkers(workers: readonly string[], rank: number): Address[] {
  const addresses = workers.map(parseAddress);
  const twice = workers.find((worker, i) => workers.indexOf(worker) !== i);
  if (twice !== undefined) {
    throw new WorkersError(`The list of workers names ${twice} twice.`, { code: 'workers.address', exitCode: 2 });
  }
  if (workers.length < 2) {
    throw new WorkersError(`A group needs two workers or more; the list names ${workers.length}.`, {
      code: 'workers.address',
      exitCode: 2,
    });
  }
  if (!Number.isInteger(rank) || rank < 0 || rank >= workers.length) {
    throw new WorkersError(
      `Rank ${rank} is none of the ${workers.length} workers': they are 0 to ${workers.length - 1}.`,
      {
        code: 'workers.rank',
        exitCode: 2,
      },
    );
  }
  return addresses;
}
