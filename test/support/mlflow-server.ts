import { cacheFolder } from '@graft/engine';
import axios from 'axios';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const MLFLOW_VERSION = '3.17.2';
/** About 850 MB come once. */
const INSTALL_MS = 600_000;
const START_MS = 90_000;

/** A Python that has MLflow, or the clause that says why there is none. */
export type MlflowPython = { readonly python: string } | { readonly missing: string };

/**
 * The Python of a virtual environment with MLflow, in Graft's cache folder; made on the first call, which takes a minute or
 * so. Synchronous: jest wants to know at once which tests it should skip.
 */
export function mlflowPython(): MlflowPython {
  const folder = join(cacheFolder(), `mlflow-venv-${MLFLOW_VERSION}`);
  const pythonIn = (venv: string): string =>
    process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');
  if (canRun(pythonIn(folder))) return { python: pythonIn(folder) };
  // The Python that it was made from may have gone.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}.tmp-`);
  try {
    const attempt = (command: string, args: string[], missing: string): string | undefined => {
      try {
        execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_MS });
        return undefined;
      } catch {
        return missing;
      }
    };
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check'];
    const missing =
      attempt('python3', ['-m', 'venv', temporary], 'python3 with its venv module is not here') ??
      attempt(
        pythonIn(temporary),
        [...pip, '--retries', '1', `mlflow==${MLFLOW_VERSION}`],
        `pip cannot install mlflow ${MLFLOW_VERSION} here`,
      );
    if (missing !== undefined) return { missing };
    try {
      // Scripts of a virtual environment hold its path, and break; `python -m mlflow` does not.
      renameSync(temporary, folder);
    } catch (error) {
      // Another process may have been faster.
      if (!existsSync(folder)) throw error;
    }
    return { python: pythonIn(folder) };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function canRun(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import mlflow.version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface MlflowServer {
  readonly uri: string;
  stop(): Promise<void>;
}

/** Starts `mlflow server` on SQLite in a folder, and resolves when it answers. */
export async function startMlflow(python: string, folder: string): Promise<MlflowServer> {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}`;
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  args.push('--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`);
  args.push('--serve-artifacts', '--artifacts-destination', join(folder, 'artifacts'));
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' };
  const child = spawn(python, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  let spawnError: Error | undefined;
  child.on('error', (error) => (spawnError = error));
  const stop = async (): Promise<void> => {
    if (child.pid === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await closed;
    clearTimeout(timer);
  };
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null && spawnError === undefined) {
    const health = await axios.get<string>(`${uri}/health`, { timeout: 2000, proxy: false }).catch(() => undefined);
    if (health?.status === 200) return { uri, stop };
    await sleep(200);
  }
  await stop();
  throw new Error(`mlflow server did not start: ${spawnError?.message ?? output}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One call that goes through a proxy. */
export interface ProxiedCall {
  readonly path: string;
  readonly body: string;
}

export interface Proxy {
  readonly uri: string;
  /** Answers that were given so far. */
  readonly answers: number;
  /** No connection is taken any more. */
  close(): Promise<void>;
  reopen(): Promise<void>;
}

/**
 * A proxy on a loopback port. `beforeAnswer` runs when the server has done what a call asks, and before the caller hears of
 * it: what it resolves to, `answer` or `lose`, decides whether the caller ever does.
 */
export async function startProxy(
  target: string,
  beforeAnswer: (call: ProxiedCall, proxy: Proxy) => Promise<'answer' | 'lose'>,
): Promise<Proxy> {
  let server: Server;
  let port = 0;
  let answers = 0;
  const listen = async (): Promise<void> => {
    server = createServer((incoming, outgoing) => void pass(incoming, outgoing).catch(() => outgoing.destroy()));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  };
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = await textOf(incoming);
    const answer = await forward(target, incoming, body);
    const path = incoming.url!.replace(/\?.*/, '').replace('/api/2.0/mlflow', '');
    if ((await beforeAnswer({ path, body }, proxy)) === 'lose') {
      outgoing.destroy();
      return;
    }
    answers++;
    outgoing.writeHead(answer.status, { 'content-type': 'application/json' });
    outgoing.end(answer.text);
  };
  const proxy: Proxy = {
    get uri() {
      return `http://127.0.0.1:${port}`;
    },
    get answers() {
      return answers;
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
    reopen: listen,
  };
  await listen();
  return proxy;
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function forward(target: string, incoming: IncomingMessage, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const passedOn = request(`${target}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
      textOf(answer).then((text) => resolve({ status: answer.statusCode!, text }), reject);
    });
    passedOn.on('error', reject);
    passedOn.end(body);
  });
}
