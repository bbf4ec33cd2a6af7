/** Serves a page, and announces its changes, only to this machine. */
import { GraftError } from '@graft/core';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Other machines cannot reach this address. */
const LOOPBACK = '127.0.0.1';
/** Maximum number of pages that follow the server at the same time. */
const MOST_FOLLOWERS = 64;

export interface ServedPage {
  /** The whole page, as HTML. */
  readonly page: () => string;
  /** The parts that change, as JSON. */
  readonly update: () => string;
}

const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
};

/** An HTTP server on the loopback address: `/`, `/update` and `/events` (server-sent events). */
export class ReportServer {
  private readonly followers = new Set<ServerResponse>();

  private constructor(
    private readonly server: Server,
    private readonly served: ServedPage,
  ) {}

  /** Throws GraftError if the port is in use. `port` 0: any free one. */
  static async start(port: number, served: ServedPage): Promise<ReportServer> {
    const server = createServer();
    const own = new ReportServer(server, served);
    server.on('request', (request, response) => own.answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(unusable(port, cause)));
      server.listen(port, LOOPBACK, resolve);
    });
    return own;
  }

  get address(): string {
    return `http://${LOOPBACK}:${this.port}/`;
  }

  /** Notifies every open page that it should fetch `/update`. */
  announce(): void {
    for (const follower of this.followers) follower.write('event: changed\ndata:\n\n');
  }

  /** Closes all connections, including those of open pages. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const refuse = (status: number, sentence: string): void => {
      response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' }).end(`${sentence}\n`);
    };
    if (!this.isOwn(request)) return refuse(403, 'This server answers only pages of its own address.');
    if (request.method !== 'GET') return refuse(405, 'This server only answers GET.');
    const send = (type: string, text: string): void => {
      response.writeHead(200, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8` }).end(text);
    };
    if (request.url === '/') return send('text/html', this.served.page());
    if (request.url === '/update') return send('application/json', this.served.update());
    if (request.url === '/events') return this.follow(response, refuse);
    refuse(404, 'There is only one page: /');
  }

  /**
   * Rejects requests from foreign pages. A foreign page can make its own host name resolve to this machine, and the
   * browser then lets it read responses: the Host header reveals this. The Origin header reveals requests that such a
   * page sends without reading the response.
   */
  private isOwn({ headers: { host, origin } }: IncomingMessage): boolean {
    const hosts = [`${LOOPBACK}:${this.port}`, `localhost:${this.port}`];
    const isOwnOrigin = origin === undefined || hosts.some((own) => origin === `http://${own}`);
    return host !== undefined && hosts.includes(host) && isOwnOrigin;
  }

  private follow(response: ServerResponse, refuse: (status: number, sentence: string) => void): void {
    if (this.followers.size >= MOST_FOLLOWERS) return refuse(503, 'Too many pages follow this server.');
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
    // Covers changes while the page was loading or disconnected.
    response.write('retry: 2000\nevent: changed\ndata:\n\n');
    this.followers.add(response);
    response.on('close', () => this.followers.delete(response));
  }
}

function unusable(port: number, cause: NodeJS.ErrnoException): GraftError {
  const reason =
    cause.code === 'EADDRINUSE'
      ? 'another program uses it'
      : cause.code === 'EACCES'
        ? 'this user may not use it'
        : cause.message;
  return new GraftError(`The report cannot be served on port ${port} of ${LOOPBACK}: ${reason}.`, {
    code: 'report.port',
    hint: 'Name another port with --port, or leave it out to use any free one.',
    cause,
  });
}
