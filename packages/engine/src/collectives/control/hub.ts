import { createServer, type Server, type Socket } from 'node:net';
import { parseAddress } from '../addresses';
import type { Message } from '../types';
import { LineSocket } from './line-socket';
import type { ControlEvent, ControlOptions, Failure, WireMessage } from './messages';
import { ControlNode, gone, leftEarly, silent, stoppedWith } from './node';

type Hello = Extract<WireMessage, { t: 'hello' }>;

/** Worker 0's node: the others connect to it. */
export class Hub extends ControlNode {
  private readonly server: Server;
  private readonly strangers = new Set<LineSocket>();
  private readonly members = new Map<number, LineSocket>();
  private readonly dataPorts: number[] = [];
  private readonly left = new Set<number>();
  /** Values that have come, by the exchange's id and the worker's rank. */
  private readonly rounds = new Map<number, Map<number, Message>>();
  private readonly patience: NodeJS.Timeout;
  private complete = false;

  constructor(options: ControlOptions, emit: (event: ControlEvent) => void) {
    super(options, emit);
    const { workers, dataPort, timeoutMs } = options;
    this.dataPorts[0] = dataPort;
    this.server = createServer((socket) => this.welcome(socket));
    this.server.on('error', (error: NodeJS.ErrnoException) => this.lose(unusable(workers[0], error)));
    const { host, port } = parseAddress(workers[0]);
    // On one machine nobody else needs to reach it; elsewhere the name may lead to any of the machine's interfaces.
    this.server.listen(port, isLoopback(host) ? host : undefined);
    this.patience = setTimeout(() => this.giveUp(), timeoutMs);
  }

  private get count(): number {
    return this.options.workers.length;
  }

  private welcome(socket: Socket): void {
    let rank: number | undefined;
    const line: LineSocket = new LineSocket(
      socket,
      (message) => {
        if (rank !== undefined) this.hear(rank, message);
        else if (message.t === 'hello') rank = this.admit(line, message);
      },
      (reason) => {
        this.strangers.delete(line);
        if (rank !== undefined && !this.left.has(rank)) this.loseAll(gone(this.name(rank), reason));
      },
    );
    this.strangers.add(line);
  }

  /** The rank of a worker that fits; undefined for one that is sent away. */
  private admit(line: LineSocket, hello: Hello): number | undefined {
    const { workers, versions } = this.options;
    const { rank } = hello;
    if (JSON.stringify(hello.workers) !== JSON.stringify(workers)) {
      const lists = `${JSON.stringify(hello.workers)}, worker 0 has ${JSON.stringify(workers)}`;
      this.refuse(line, {
        message: `Worker ${rank} has another list of workers: ${lists}.`,
        code: 'workers.list',
        exitCode: 2,
      });
      return undefined;
    }
    if (!Number.isInteger(rank) || rank < 1 || rank >= this.count || this.members.has(rank)) {
      const message = `${this.name(rank)} is there already: another process was started with the same rank.`;
      // Of the two it is the later one that is wrong; the group does not suffer.
      line.send({ t: 'lost', failure: { message, code: 'workers.rank', exitCode: 2 } });
      void line.close();
      return undefined;
    }
    const key = Object.keys({ ...versions, ...hello.versions }).find((name) => versions[name] !== hello.versions[name]);
    if (key !== undefined) {
      const message = `${this.name(rank)} runs ${key} ${hello.versions[key] ?? 'unknown'}, worker 0 runs ${versions[key] ?? 'unknown'}.`;
      this.refuse(line, { message, code: 'workers.version', hint: 'Give all workers the same versions.' });
      return undefined;
    }
    line.trusted = true;
    this.strangers.delete(line);
    this.members.set(rank, line);
    this.dataPorts[rank] = hello.dataPort;
    if (this.members.size === this.count - 1) this.begin();
    return rank;
  }

  private begin(): void {
    clearTimeout(this.patience);
    this.complete = true;
    for (const member of this.members.values()) member.send({ t: 'welcome', dataPorts: this.dataPorts });
    this.emit({ event: 'joined', dataPorts: this.dataPorts });
  }

  private giveUp(): void {
    const missing = this.options.workers.flatMap((_, rank) =>
      rank === 0 || this.members.has(rank) ? [] : [`worker ${rank} (${this.options.workers[rank]})`],
    );
    const list = missing.join(', ').replace(/^w/, 'W');
    this.loseAll({
      message: `${list} did not come within ${seconds(this.options.timeoutMs)}.`,
      code: 'workers.missing',
      hint: 'Start every worker with the same list and a rank of its own, and see that they reach the first address.',
    });
  }

  private hear(rank: number, message: WireMessage): void {
    if (message.t === 'value') this.collect(rank, message.id, message.value);
    else if (message.t === 'fail') this.loseAll(stoppedWith(this.name(rank), message.reason), rank);
    else if (message.t === 'leave') {
      this.left.add(rank);
      void this.members.get(rank)?.close();
      if (this.rounds.size > 0) this.loseAll(leftEarly(this.name(rank)), rank);
    }
  }

  protected exchange(id: number, value: Message): void {
    this.collect(0, id, value);
  }

  private collect(rank: number, id: number, value: Message): void {
    let round = this.rounds.get(id);
    if (!round) this.rounds.set(id, (round = new Map()));
    round.set(rank, value);
    const early = [...this.left].find((member) => !round.has(member));
    if (early !== undefined) return this.loseAll(leftEarly(this.name(early)), early);
    if (round.size < this.count) return;
    this.rounds.delete(id);
    const values = this.options.workers.map((_, i) => round.get(i)!);
    for (const member of this.members.values()) member.send({ t: 'values', id, values });
    this.emit({ event: 'values', id, values });
  }

  protected beat(silenceMs: number): void {
    for (const [rank, member] of this.members) {
      if (this.left.has(rank)) continue;
      member.send({ t: 'alive' });
      if (this.isSilent(member.heardAt, silenceMs)) return this.loseAll(silent(this.name(rank), silenceMs), rank);
    }
  }

  private refuse(line: LineSocket, failure: Failure): void {
    line.send({ t: 'lost', failure });
    this.loseAll(failure);
  }

  /** Ends the group for everybody but the one that is the reason. */
  private loseAll(failure: Failure, except?: number): void {
    if (this.ended) return;
    for (const [rank, member] of this.members) if (rank !== except) member.send({ t: 'lost', failure });
    this.lose(failure);
  }

  protected tellFailure(reason: string): void {
    for (const member of this.members.values()) member.send({ t: 'lost', failure: stoppedWith(this.name(0), reason) });
  }

  protected tellLeaving(): void {
    const message: WireMessage = this.complete ? { t: 'leave' } : { t: 'lost', failure: leftEarly(this.name(0)) };
    for (const member of this.members.values()) member.send(message);
  }

  protected close(): Promise<unknown> {
    clearTimeout(this.patience);
    this.server.close();
    return Promise.all([...this.members.values(), ...this.strangers].map((line) => line.close()));
  }
}

export const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toPrecision(3))} s`;

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/** What keeps a worker from listening on its own port. */
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
