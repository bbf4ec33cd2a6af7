import type { PjrtApi } from './api';
import { upload } from './buffer';
import { Device } from './device';
import { Session } from './session';

const MIB = 1 << 20;

/** A plugin whose transfers are over when the test says so. */
class SlowTransfers {
  readonly calls: string[] = [];
  readonly semantics: unknown[] = [];
  private events = 100n;
  private readonly over = new Set<bigint>();

  /** Ends the transfer of the n-th upload, from 0. */
  end(n: number): void {
    this.over.add(101n + BigInt(n));
  }

  call(name: string, values: Record<string, unknown>, answer?: (args: unknown) => unknown): unknown {
    this.calls.push(name);
    if (name === 'Client_BufferFromHostBuffer') this.semantics.push(values.host_buffer_semantics);
    const event = name === 'Client_BufferFromHostBuffer' ? ++this.events : 0n;
    return answer?.({
      pointer: (field: string) => (field === 'done_with_host_buffer' ? event : 1n),
      number: () => (this.over.has(values.event as bigint) ? 1 : 0),
    });
  }
}

function open(): { transfers: SlowTransfers; session: Session; send: (mib: number, immutable: boolean) => void } {
  const transfers = new SlowTransfers();
  const api = transfers as unknown as PjrtApi;
  const device = Object.assign(Object.create(Device.prototype) as Device, { pointer: 7n });
  const session = new Session(api, 1n, [device]);
  const send = (mib: number, immutable: boolean): void => {
    const values = new Uint8Array(mib * MIB);
    upload(session, values, { dtype: 'uint8', shape: [values.length] }, device, { immutable });
  };
  return { transfers, session, send };
}

test('an upload of an array that nobody changes waits for no event, and forgets the array at the end of its transfer', () => {
  const { transfers, session, send } = open();
  send(1, true);
  send(1, true);
  expect(transfers.semantics).toEqual([1, 1]);
  expect(transfers.calls).not.toContain('Event_Await');
  expect(session.started.heldBytes).toBe(2 * MIB);
  transfers.end(0);
  session.started.sweep();
  expect(session.started).toMatchObject({ count: 1, heldBytes: MIB });
  transfers.end(1);
  session.started.sweep();
  expect(session.started).toMatchObject({ count: 0, heldBytes: 0 });
  expect(transfers.calls.filter((name) => name === 'Event_Destroy')).toHaveLength(2);
});

test('an array that may change is copied during the upload', () => {
  const { transfers, session, send } = open();
  send(1, false);
  expect(transfers.semantics).toEqual([0]);
  expect(session.started.heldBytes).toBe(0);
});

test('while 256 MiB of arrays are being read, the plugin copies further ones during the upload', () => {
  const { transfers, session, send } = open();
  for (const mib of [200, 56, 1]) send(mib, true);
  expect(transfers.semantics).toEqual([1, 1, 0]);
  transfers.end(0);
  send(1, true);
  expect(transfers.semantics.at(-1)).toBe(1);
  expect(session.started.heldBytes).toBe(57 * MIB);
});
