import { connect, type TLSSocket } from 'node:tls';
import { parseAddress } from '../addresses';
import type { Message } from '../types';
import { seconds } from './coordinator-node';
import { LineSocket } from './line-socket';
import type { ControlEvent, ControlOptions, Failure, WireMessage } from './messages';
import { ControlNode, gone, leftEarly, invalidMessage, silent } from './node';
import { MOST_VALUE_BYTES } from './parse-message';
import { clientOptions, isOtherKey } from './psk';

const RETRY_MS = 300;
/** Worker 0 knows best which worker is missing: wait for its report. */
const BEHIND_WORKER_0_MS = 5000;

/** The node of every worker except worker 0. */
export class WorkerNode extends ControlNode {
  /** Set once the other side has proved that it has the group's secret. */
  private line: LineSocket | undefined;
  private socket: TLSSocket | undefined;
  private joined = false;
  private coordinatorLeft = false;
  private readonly open = new Set<number>();
  private retry: NodeJS.Timeout | undefined;
  private readonly joinTimer: NodeJS.Timeout;
  private problem = '';

  constructor(options: ControlOptions, emit: (event: ControlEvent) => void) {
    super(options, emit);
    this.joinTimer = setTimeout(() => this.reportMissing(), options.timeoutMs + BEHIND_WORKER_0_MS);
    this.dial();
  }

  private dial(): void {
    const { workers, rank, versions, dataPort, key } = this.options;
    const { host, port } = parseAddress(workers[0]);
    const socket = connect({ ...clientOptions(key), host, port });
    const line: LineSocket = new LineSocket(
      socket,
      MOST_VALUE_BYTES * (workers.length + 1),
      (message) => this.receive(message),
      (reason) => {
        if (this.ended) return;
        if (this.joined) return this.coordinatorLeft ? undefined : this.lose(gone(this.name(0), reason));
        if (isOtherKey(reason)) return this.lose(otherSecret(this.name(0)));
        // Worker 0 may not have started yet.
        this.problem = reason ?? 'the connection was closed';
        this.retry = setTimeout(() => this.dial(), RETRY_MS);
      },
      (problem) => this.lose(invalidMessage(this.name(0), problem)),
    );
    this.line = undefined;
    this.socket = socket;
    socket.on('secureConnect', () => {
      // Only the key makes this true; a certificate never does.
      if (!socket.isSessionReused()) return void socket.destroy();
      this.problem = 'it waits for others';
      this.line = line;
      line.send({ t: 'hello', rank, workers, versions, dataPort });
    });
  }

  private reportMissing(): void {
    this.lose({
      message: `${this.name(0)} did not come within ${seconds(this.options.timeoutMs)} (${this.problem || 'no answer'}).`,
      code: 'workers.missing',
      hint: 'Start worker 0 too, and see that this machine reaches its address.',
    });
  }

  private receive(message: WireMessage): void {
    switch (message.t) {
      case 'welcome':
        if (this.joined || message.dataPorts.length !== this.options.workers.length)
          return this.lose(invalidMessage(this.name(0), 'a welcome to another group'));
        clearTimeout(this.joinTimer);
        this.joined = true;
        return this.emit({ event: 'joined', dataPorts: message.dataPorts });
      case 'values':
        if (!this.open.delete(message.id) || message.values.length !== this.options.workers.length)
          return this.lose(invalidMessage(this.name(0), 'values that nobody waits for'));
        return this.emit({ event: 'values', id: message.id, values: message.values });
      case 'lost':
        return this.lose(message.failure);
      case 'leave':
        this.coordinatorLeft = true;
        if (this.open.size > 0) this.lose(leftEarly(this.name(0)));
        return;
    }
  }

  protected exchange(id: number, value: Message): void {
    if (this.coordinatorLeft) return this.lose(leftEarly(this.name(0)));
    this.open.add(id);
    this.line?.send({ t: 'value', id, value });
  }

  protected sendHeartbeat(silenceMs: number): void {
    if (!this.joined || this.coordinatorLeft || !this.line) return this.line?.send({ t: 'alive' });
    this.line.send({ t: 'alive' });
    if (this.hasTimedOut(this.line.lastReceivedAt, silenceMs)) this.lose(silent(this.name(0), silenceMs));
  }

  protected sendFailure(reason: string): void {
    this.line?.send({ t: 'fail', reason });
  }

  protected sendGoodbye(): void {
    this.line?.send({ t: 'leave' });
  }

  protected async close(): Promise<void> {
    clearTimeout(this.joinTimer);
    clearTimeout(this.retry);
    if (this.line) await this.line.close();
    else this.socket?.destroy();
  }
}

function otherSecret(name: string): Failure {
  return {
    message: `${name} has another secret than this worker.`,
    code: 'workers.secret',
    exitCode: 2,
    hint: 'Give every worker the same secret, by --worker-secret-file FILE or GRAFT_WORKER_SECRET.',
  };
}
