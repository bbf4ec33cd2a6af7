import { connect } from 'node:net';
import { parseAddress } from '../addresses';
import type { Message } from '../types';
import { seconds } from './hub';
import { LineSocket } from './line-socket';
import type { ControlEvent, ControlOptions, WireMessage } from './messages';
import { ControlNode, gone, leftEarly, silent } from './node';

const RETRY_MS = 300;
/** Worker 0 knows best who is missing: its word is waited for. */
const BEHIND_WORKER_0_MS = 5000;

/** The node of every worker but the first. */
export class Member extends ControlNode {
  private line: LineSocket | undefined;
  private welcomed = false;
  private hubLeft = false;
  private readonly open = new Set<number>();
  private retry: NodeJS.Timeout | undefined;
  private readonly patience: NodeJS.Timeout;
  private problem = '';

  constructor(options: ControlOptions, emit: (event: ControlEvent) => void) {
    super(options, emit);
    this.patience = setTimeout(() => this.giveUp(), options.timeoutMs + BEHIND_WORKER_0_MS);
    this.dial();
  }

  private dial(): void {
    const { workers, rank, versions, dataPort } = this.options;
    const { host, port } = parseAddress(workers[0]);
    const socket = connect({ host, port });
    const line: LineSocket = new LineSocket(
      socket,
      (message) => this.hear(message),
      (reason) => {
        if (this.ended) return;
        if (this.welcomed) return this.hubLeft ? undefined : this.lose(gone(this.name(0), reason));
        // It may not have started yet.
        this.problem = reason ?? 'the connection was closed';
        this.retry = setTimeout(() => this.dial(), RETRY_MS);
      },
    );
    line.trusted = true;
    this.line = line;
    socket.on('connect', () => {
      this.problem = 'it waits for others, or is another program';
      line.send({ t: 'hello', rank, workers, versions, dataPort });
    });
  }

  private giveUp(): void {
    this.lose({
      message: `${this.name(0)} did not come within ${seconds(this.options.timeoutMs)} (${this.problem || 'no answer'}).`,
      code: 'workers.missing',
      hint: 'Start worker 0 too, and see that this machine reaches its address.',
    });
  }

  private hear(message: WireMessage): void {
    switch (message.t) {
      case 'welcome':
        clearTimeout(this.patience);
        this.welcomed = true;
        return this.emit({ event: 'joined', dataPorts: message.dataPorts });
      case 'values':
        this.open.delete(message.id);
        return this.emit({ event: 'values', id: message.id, values: message.values });
      case 'lost':
        return this.lose(message.failure);
      case 'leave':
        this.hubLeft = true;
        if (this.open.size > 0) this.lose(leftEarly(this.name(0)));
        return;
    }
  }

  protected exchange(id: number, value: Message): void {
    if (this.hubLeft) return this.lose(leftEarly(this.name(0)));
    this.open.add(id);
    this.line?.send({ t: 'value', id, value });
  }

  protected beat(silenceMs: number): void {
    if (!this.welcomed || this.hubLeft || !this.line) return this.line?.send({ t: 'alive' });
    this.line.send({ t: 'alive' });
    if (this.isSilent(this.line.heardAt, silenceMs)) this.lose(silent(this.name(0), silenceMs));
  }

  protected tellFailure(reason: string): void {
    this.line?.send({ t: 'fail', reason });
  }

  protected tellLeaving(): void {
    this.line?.send({ t: 'leave' });
  }

  protected async close(): Promise<void> {
    clearTimeout(this.patience);
    clearTimeout(this.retry);
    await this.line?.close();
  }
}
