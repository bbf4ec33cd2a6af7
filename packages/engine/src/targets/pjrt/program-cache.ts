import { createHash, randomBytes } from 'node:crypto';
import { rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@graft/errors';
import { readRegularFile } from '@graft/files';
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

  constructor(private readonly client: Client) {}

  /** As `Client.compile`. A saved program that does not load is compiled again; a cache that fails is not an error. */
  async compile(code: string, options: CompileOptions = {}): Promise<Executable> {
    const file = this.client.serializes ? this.fileOf(code, options) : undefined;
    if (file === undefined) return this.client.compile(code, options);
    const saved = await readRegularFile(file).catch(() => undefined);
    if (saved) {
      try {
        const loaded = await this.client.load(saved, options.name);
        // Reading alone does not count as use where the file system does not record it.
        await utimes(file, new Date(), new Date()).catch(() => undefined);
        return loaded;
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== 'engine.executable') throw error;
      }
    }
    const compiled = await this.client.compile(code, options);
    await this.save(file, compiled);
    return compiled;
  }

  private fileOf(code: string, options: CompileOptions): string | undefined {
    const { device = this.client.devices[0], devices = [device], flags = {} } = options;
    const compiler = this.client.compilerOf(devices[0]);
    if (!this.folders.has(compiler)) this.folders.set(compiler, ownFolder(compiler));
    const folder = this.folders.get(compiler);
    if (folder === undefined) return undefined;
    const sorted = Object.entries({ ...this.client.flags, ...flags }).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([devices.map(({ id }) => id), sorted, code]);
    return join(folder, `${createHash('sha256').update(key).digest('hex')}.pjrt`);
  }

  /** Under another name first, so that no other process reads half of it. */
  private async save(file: string, program: Executable): Promise<void> {
    const unfinished = `${file}-${randomBytes(4).toString('hex')}.tmp`;
    try {
      await writeFile(unfinished, program.serialize(), { mode: 0o600 });
      await rename(unfinished, file);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      if (this.warned) return;
      this.warned = true;
      process.emitWarning(`Compiled programs are not kept: ${(error as Error).message}`, { type: 'GraftWarning' });
    }
  }
}
