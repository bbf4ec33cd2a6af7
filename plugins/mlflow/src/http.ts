import type { Secret } from '@graft/core';
import { cutText } from '@graft/core/internal';
import type { AxiosInstance, AxiosResponse } from 'axios';
import { z } from 'zod';

/** Bytes of a response, unpacked. A run with every possible parameter and metric takes a few MB. */
const LARGEST_ANSWER = 16 << 20;
/** Characters of a server's description of an error. */
const LONGEST_REASON = 200;

/** The server and how it is called. */
export interface ServerOptions {
  /** http or https, without a user. */
  readonly server: string;
  /** From the call to the last byte of its response. */
  readonly timeoutSeconds: number;
  /** The whole value of that header. */
  readonly authorization?: Secret;
}

/**
 * Why a call failed: there was no response, or one that was too large or too slow; MLflow refused; or the response is
 * not MLflow's.
 */
export type FailureKind = 'unreachable' | 'refused' | 'not-mlflow';

/** A call that failed. The message is a clause. */
export class CallFailure extends Error {
  constructor(
    message: string,
    readonly kind: FailureKind,
    readonly status?: number,
    /** MLflow's own, as `INVALID_PARAMETER_VALUE`. */
    readonly errorCode?: string,
  ) {
    super(message);
    this.name = 'CallFailure';
  }
}

const Refusal = z.object({ error_code: z.string(), message: z.string().optional() });

/**
 * JSON to and from one server: whatever its responses, they end in time and in bounded memory, and nothing is sent to
 * another one.
 */
export class JsonServer {
  private readonly http: AxiosInstance;
  private readonly ending = new AbortController();

  constructor(private readonly options: ServerOptions) {
    // Loaded here: runs without MLflow need not load it.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
    const axios = require('axios') as typeof import('axios');
    this.http = axios.create({
      baseURL: options.server,
      // Credentials must not be sent to wherever a response redirects.
      maxRedirects: 0,
      maxContentLength: LARGEST_ANSWER,
      responseType: 'text',
      transformResponse: (text: unknown) => text,
      validateStatus: () => true,
    });
  }

  /** Rejects the current call and every later one. */
  abort(): void {
    this.ending.abort();
  }

  get aborted(): boolean {
    return this.ending.signal.aborted;
  }

  /** Rejects with CallFailure unless the response is a JSON object that matches `schema`. */
  async get<T>(path: string, params: object, schema: z.ZodType<T>): Promise<T> {
    return this.call({ method: 'get', url: path, params }, schema);
  }

  async post<T>(path: string, data: object, schema: z.ZodType<T>): Promise<T> {
    return this.call({ method: 'post', url: path, data }, schema);
  }

  /** Bytes as they are. */
  async put<T>(path: string, data: Uint8Array, schema: z.ZodType<T>): Promise<T> {
    return this.call(
      { method: 'put', url: path, data, headers: { 'Content-Type': 'application/octet-stream' } },
      schema,
    );
  }

  private async call<T>(
    request: { method: string; url: string; params?: object; data?: object; headers?: Record<string, string> },
    schema: z.ZodType<T>,
  ): Promise<T> {
    const response = await this.send(request);
    const { status } = response;
    // MLflow 3 answers a stored file with nothing, earlier versions with an empty object.
    const body = parse(request.method === 'put' && response.data === '' ? '{}' : response.data);
    if (status >= 300 && status < 400) throw redirected(response);
    const refusal = Refusal.safeParse(body);
    if (refusal.success) {
      const { error_code: code, message = code } = refusal.data;
      throw new CallFailure(`${status} ${clean(message || code)}`, 'refused', status, code);
    }
    if (status < 200 || status >= 300) {
      const parsed = z.object({ message: z.string() }).safeParse(body);
      const reason = parsed.success ? parsed.data.message : response.statusText;
      throw new CallFailure(`${status} ${clean(reason)}`.trim(), 'refused', status);
    }
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const what =
      body === undefined
        ? 'it is not JSON'
        : issue.path.length === 0
          ? 'it is not an object'
          : `${clean(issue.path.join('.'))} is missing, or something else`;
    throw new CallFailure(`what answers ${request.url} is not MLflow: ${what}`, 'not-mlflow', status);
  }

  private async send(request: { readonly headers?: Record<string, string> }): Promise<AxiosResponse<unknown>> {
    // axios's own limit restarts with every byte.
    const limit = new AbortController();
    const end = (): void => limit.abort();
    const { timeoutSeconds, authorization } = this.options;
    const timer = setTimeout(end, timeoutSeconds * 1000);
    this.ending.signal.addEventListener('abort', end);
    if (this.aborted) end();
    try {
      const headers = { ...request.headers, ...(authorization && { Authorization: authorization.reveal() }) };
      return await this.http.request<unknown>({ ...request, headers, signal: limit.signal });
    } catch (error) {
      if (limit.signal.aborted) throw new CallFailure(`no answer within ${timeoutSeconds} s`, 'unreachable');
      throw new CallFailure(unreachable(error), 'unreachable');
    } finally {
      clearTimeout(timer);
      this.ending.signal.removeEventListener('abort', end);
    }
  }
}

function parse(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function redirected({ status, headers }: AxiosResponse): CallFailure {
  const { location } = headers as { location?: unknown };
  const where = typeof location === 'string' && URL.canParse(location) ? ` to ${clean(new URL(location).origin)}` : '';
  return new CallFailure(
    `${status}: it redirects${where}, which is not followed; name the address where MLflow is as trackingUri`,
    'not-mlflow',
    status,
  );
}

function unreachable(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  if (message?.includes('maxContentLength')) return `an answer of more than ${LARGEST_ANSWER >> 20} MiB`;
  return clean(message || code || 'no answer');
}

/** A server's words for the log: one short line, without terminal control characters. */
function clean(text: string): string {
  const [line] = text.split(/[\r\n]/, 1);
  return cutText(line.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, ' '), LONGEST_REASON).trim();
}

/** Whether an answer came, and it was not yes: trying again soon would not help. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof CallFailure) || error.kind === 'unreachable') return false;
  const { kind, status = 0 } = error;
  return kind === 'not-mlflow' || (status < 500 && status !== 408 && status !== 429);
}

const FAULTS_OF_VALUES: readonly string[] = ['INVALID_PARAMETER_VALUE', 'BAD_REQUEST', 'MALFORMED_REQUEST'];
const FAULTS_OF_ENTRIES: readonly string[] = [
  ...FAULTS_OF_VALUES,
  'RESOURCE_DOES_NOT_EXIST',
  'RESOURCE_ALREADY_EXISTS',
  'INVALID_STATE',
];

/** Whether MLflow refuses the values it was sent: it may accept the others without the wrong one. */
export function isFaultOfValues(error: unknown): boolean {
  return (
    error instanceof CallFailure &&
    error.kind === 'refused' &&
    (error.status === 413 || FAULTS_OF_VALUES.includes(error.errorCode ?? ''))
  );
}

/** Whether MLflow will never take this entry, while it may take others. */
export function isFaultOfEntry(error: unknown): boolean {
  return isFaultOfValues(error) || (error instanceof CallFailure && FAULTS_OF_ENTRIES.includes(error.errorCode ?? ''));
}
