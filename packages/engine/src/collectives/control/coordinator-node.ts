import type { TLSSocket } from 'node:tls';
import { parseAddress } from '../addresses';
import type { Message } from '../types';
import { PeerListener } from './peer-listener';
import { LineSocket } from './line-socket';
import { MOST_HELLO_BYTES, MOST_VALUE_BYTES } from './parse-message';
import type { ControlEvent, ControlOptions, Failure, WireMessage } from './messages';
import { ControlNode, gone, leftEarly, invalidMessage, silent, stoppedWith } from './node';

type Hello = Extract<WireMessage, { t: 'hello' }>;

/** Maximum number of open exchanges: workers start them one after the other, so that there are few. */
const MOST_EXCHANGES = 1024;

/** Worker 0's node: the others connect to it. */
export class CoordinatorNode extends ControlNode {
  private readonly listener: PeerListener;
  private readonly connections = new Map<number, LineSocket>();
  private readonly dataPorts: number[] = [];
  private readonly departed = new Set<number>();
  /** Received values, by the exchange's id and the worker's rank. */
  private readonly exchanges = new Map<number, Map<number, Message>>();
  private readonly joinTimer: NodeJS.Timeout;
  private complete = false;

  constructor(options: ControlOptions, emit: (event: ControlEvent) => void) {
    super(options, emit);
    const { workers, dataPort, timeoutMs } = options;
    this.dataPorts[0] = dataPort;
    const { host, port } = parseAddress(workers[0]);
    this.listener = new PeerListener({
      key: options.key,
      handshakeTimeoutMs: options.handshakeTimeoutMs,
      port,
      // On one machine no other host needs to reach it; elsewhere the name may lead to any of the machine's interfaces.
      host: isLoopback(host) ? host : undefined,
      onError: (error) => this.lose(unusable(workers[0], error)),
      onOpen: (socket, admit) => this.acceptPeer(socket, admit),
    });
    this.joinTimer = setTimeout(() => this.reportMissing(), timeoutMs);
  }

  private get count(): number {
    return this.options.workers.length;
  }

  private acceptPeer(socket: TLSSocket, admitted: () => void): void {
    let rank: number | undefined;
    const line: LineSocket = new LineSocket(
      socket,
      MOST_HELLO_BYTES,
      (message) => {
        if (rank !== undefined) return this.receive(rank, message);
        if (message.t !== 'hello') return socket.destroy();
        admitted();
        rank = this.admit(line, message);
      },
      (reason) => {
        if (rank !== undefined && !this.departed.has(rank)) this.endGroup(gone(this.name(rank), reason));
      },
      (problem) => {
        if (rank !== undefined) this.endGroup(invalidMessage(this.name(rank), problem), rank);
      },
    );
  }

  /** The rank of a worker that fits; undefined for one that is rejected. */
  private admit(line: LineSocket, hello: Hello): number | undefined {
    const { workers } = this.options;
    const { rank } = hello;
    const mismatch = this.mismatch(hello);
    // A peer that arrives after the group has met does not end it, whatever is wrong with the peer.
    if (mismatch && !this.complete) {
      this.refuse(line, mismatch);
      return undefined;
    }
    const taken = rank === 0 || rank >= this.count || this.connections.has(rank) || this.complete;
    if (mismatch || taken) {
      const message =
        rank < this.count
          ? `${this.name(rank)} is there already: another process was started with the same rank.`
          : `Rank ${rank} is none of the ${this.count} workers'.`;
      // The later of the two is the wrong one; the group continues.
      line.send({ t: 'lost', failure: mismatch ?? { message, code: 'workers.rank', exitCode: 2 } });
      void line.close();
      return undefined;
    }
    line.mostBytes = 2 * MOST_VALUE_BYTES;
    this.connections.set(rank, line);
    this.dataPorts[rank] = hello.dataPort;
    if (this.connections.size === workers.length - 1) this.completeHandshake();
    return rank;
  }

  /** Why a worker that has the group's secret does not belong to the group. */
  private mismatch({ rank, workers: theirs, versions: others }: Hello): Failure | undefined {
    const { workers, versions } = this.options;
    if (JSON.stringify(theirs) !== JSON.stringify(workers)) {
      const lists = `${JSON.stringify(theirs)}, worker 0 has ${JSON.stringify(workers)}`;
      return {
        message: `Worker ${rank} has another list of workers: ${lists}.`,
        code: 'workers.list',
        exitCode: 2,
      };
    }
    const key = Object.keys({ ...versions, ...others }).find((name) => versions[name] !== others[name]);
    if (key === undefined || rank >= this.count) return undefined;
    const message = `${this.name(rank)} runs ${key} ${others[key] ?? 'unknown'}, worker 0 runs ${versions[key] ?? 'unknown'}.`;
    return { message, code: 'workers.version', hint: 'Give all workers the same versions.' };
  }

  private completeHandshake(): void {
    clearTimeout(this.joinTimer);
    this.complete = true;
    for (const connection of this.connections.values()) connection.send({ t: 'welcome', dataPorts: this.dataPorts });
    this.emit({ event: 'joined', dataPorts: this.dataPorts });
  }

  private reportMissing(): void {
    const missing = this.options.workers.flatMap((_, rank) =>
      rank === 0 || this.connections.has(rank) ? [] : [`worker ${rank} (${this.options.workers[rank]})`],
    );
    const list = missing.join(', ').replace(/^w/, 'W');
    this.endGroup({
      message: `${list} did not come within ${seconds(this.options.timeoutMs)}.`,
      code: 'workers.missing',
      hint: this.wrongKeys() ?? WHO_IS_MISSING,
    });
  }

  private wrongKeys(): string | undefined {
    const { wrongKeys: count, wrongKeyFrom: from } = this.listener;
    if (count === 0) return undefined;
    return `Somebody came ${count === 1 ? 'once' : `${count} times`} with another secret, at last from ${from ?? 'an unknown address'}: give every worker the same one.`;
  }

  private receive(rank: number, message: WireMessage): void {
    if (message.t === 'value') this.collect(rank, message.id, message.value);
    else if (message.t === 'fail') this.endGroup(stoppedWith(this.name(rank), message.reason), rank);
    else if (message.t === 'leave') {
      this.departed.add(rank);
      void this.connections.get(rank)?.close();
      if (this.exchanges.size > 0) this.endGroup(leftEarly(this.name(rank)), rank);
    }
  }

  protected exchange(id: number, value: Message): void {
    this.collect(0, id, value);
  }

  private collect(rank: number, id: number, value: Message): void {
    let received = this.exchanges.get(id);
    if (received?.has(rank) || (!received && this.exchanges.size >= MOST_EXCHANGES))
      return this.endGroup(invalidMessage(this.name(rank), 'values that nobody waits for'), rank);
    if (!received) this.exchanges.set(id, (received = new Map()));
    received.set(rank, value);
    const leftFirst = [...this.departed].find((rank) => !received.has(rank));
    if (leftFirst !== undefined) return this.endGroup(leftEarly(this.name(leftFirst)), leftFirst);
    if (received.size < this.count) return;
    this.exchanges.delete(id);
    const values = this.options.workers.map((_, i) => received.get(i)!);
    for (const connection of this.connections.values()) connection.send({ t: 'values', id, values });
    this.emit({ event: 'values', id, values });
  }

  protected sendHeartbeat(silenceMs: number): void {
    for (const [rank, connection] of this.connections) {
      if (this.departed.has(rank)) continue;
      connection.send({ t: 'alive' });
      if (this.hasTimedOut(connection.lastReceivedAt, silenceMs))
        return this.endGroup(silent(this.name(rank), silenceMs), rank);
    }
  }

  private refuse(line: LineSocket, failure: Failure): void {
    line.send({ t: 'lost', failure });
    void line.close();
    this.endGroup(failure);
  }

  /** Ends the group for every worker except the one that caused it. */
  private endGroup(failure: Failure, except?: number): void {
    if (this.ended) return;
    for (const [rank, connection] of this.connections) if (rank !== except) connection.send({ t: 'lost', failure });
    this.lose(failure);
  }

  protected sendFailure(reason: string): void {
    for (const connection of this.connections.values())
      connection.send({ t: 'lost', failure: stoppedWith(this.name(0), reason) });
  }

  protected sendGoodbye(): void {
    const message: WireMessage = this.complete ? { t: 'leave' } : { t: 'lost', failure: leftEarly(this.name(0)) };
    for (const connection of this.connections.values()) connection.send(message);
  }

  protected close(): Promise<unknown> {
    clearTimeout(this.joinTimer);
    this.listener.close();
    return Promise.all([...this.connections.values()].map((line) => line.close()));
  }
}

const WHO_IS_MISSING =
  'Start every worker with the same list, the same secret and a rank of its own, and see that they reach the first address.';

export const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toPrecision(3))} s`;

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/** Why a worker cannot listen on its own port. */
export function unusable(worker: string, error: NodeJS.ErrnoException): Failure {
  const { port } = parseAddress(worker);
  const problem =
    error.code === 'EADDRINUSE'
      ? `port ${port} is in use by another process`
      : `port ${port} cannot be opened (${error.code ?? error.message})`;
  return {
    message: `The worker's own address ${worker} cannot be used: ${problem}.`,
    code: error.code === 'EADDRINUSE' ? 'workers.port-in-use' : 'workers.port',
    hint: 'Name another port in the list of workers, the same for all.',
  };
}
