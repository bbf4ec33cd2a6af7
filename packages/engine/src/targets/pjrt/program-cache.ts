import { createHash, randomBytes } from 'node:crypto';
import { closeSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@graft/errors';
import { openRegularFileSync } from '@graft/files';
import { ownFolder } from '../../setup/compile-cache';
import type { Client, CompileOptions } from './client';
import type { Executable } from './executable';

/**
 * Compiled programs in Graft's cache, for later processes: a program is compiled once for a plugin, a kind of device, its
 * text and its flags. Programs that were not used for 30 days are removed. The folder is private, because loading a
 * program runs it.
 */
export class ProgramCache {
  private readonly folders = new Map<string, string | undefined>();
  private warned = false;

  /** `compiler`: compiles what is not there. Default: the client. */
  constructor(
    private readonly client: Client,
    private readonly compiler: Pick<Client, 'compile' | 'compileSync'> = client,
  ) {}

  /** As `Client.compile`. A saved program that does not load is compiled again; a cache that fails is not an error. */
  async compile(code: string, options: CompileOptions = {}): Promise<Executable> {
    const file = this.fileOf(code, options);
    const saved = readSaved(file);
    const loaded = saved && (await this.client.load(saved, options.name).catch(refuseOthers));
    return loaded ? used(file!, loaded) : this.kept(file, await this.compiler.compile(code, options));
  }

  /** As `compile`, while this thread waits. */
  compileSync(code: string, options: CompileOptions = {}): Executable {
    const file = this.fileOf(code, options);
    const saved = readSaved(file);
    const loaded = saved && this.loadSync(saved, options.name);
    return loaded ? used(file!, loaded) : this.kept(file, this.compiler.compileSync(code, options));
  }

  private loadSync(saved: Uint8Array, name: string | undefined): Executable | undefined {
    try {
      return this.client.loadSync(saved, name);
    } catch (error) {
      return refuseOthers(error);
    }
  }

  /** Writes what was compiled; beside saving it, which takes longer, the few MB do not hold up the event loop. */
  private kept(file: string | undefined, compiled: Executable): Executable {
    if (file === undefined) return compiled;
    const unfinished = nameOfUnfinished(file);
    try {
      // Under another name first, so that no other process reads half of it.
      writeFileSync(unfinished, compiled.serialize(), { mode: 0o600 });
      renameSync(unfinished, file);
    } catch (error) {
      attempt(() => rmSync(unfinished, { force: true }));
      this.warn(error);
    }
    return compiled;
  }

  private fileOf(code: string, options: CompileOptions): string | undefined {
    if (!this.client.serializes) return undefined;
    const { device = this.client.devices[0], devices = [device] } = options;
    const compiler = this.client.compilerOf(devices[0]);
    if (!this.folders.has(compiler)) this.folders.set(compiler, ownFolder(compiler));
    const folder = this.folders.get(compiler);
    if (folder === undefined) return undefined;
    const sorted = Object.entries(this.client.flagsOf(options)).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([devices.map(({ id }) => id), sorted, code]);
    return join(folder, `${createHash('sha256').update(key).digest('hex')}.pjrt`);
  }

  private warn(error: unknown): void {
    if (this.warned) return;
    this.warned = true;
    process.emitWarning(`Compiled programs are not kept: ${(error as Error).message}`, { type: 'GraftWarning' });
  }
}

const nameOfUnfinished = (file: string): string => `${file}-${randomBytes(4).toString('hex')}.tmp`;

/** The bytes of a saved program; undefined if there are none that can be read. */
const readSaved = (file: string | undefined): Buffer | undefined =>
  file === undefined ? undefined : attempt(() => readSync(file));

function readSync(file: string): Buffer {
  const descriptor = openRegularFileSync(file);
  try {
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reading alone does not count as use where the file system does not record it. */
function used(file: string, loaded: Executable): Executable {
  attempt(() => utimesSync(file, new Date(), new Date()));
  return loaded;
}

/** Passes on everything but the error for a saved program that cannot be used. */
function refuseOthers(error: unknown): undefined {
  if (!(error instanceof EngineError) || error.code !== 'engine.executable') throw error;
}

/** What cannot be done is left: a cache that fails is not an error. */
function attempt<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch {
    return undefined;
  }
}
