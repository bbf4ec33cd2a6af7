import { Client, type CompileOptions } from './client';
import type { Executable } from './executable';
import { ProgramCache } from './program-cache';

/** A client that keeps what it compiles in Graft's cache: a program that an earlier process compiled is loaded. */
export class KeepingClient extends Client {
  private readonly cache = new ProgramCache(this, {
    compile: (code, options) => super.compile(code, options),
    compileSync: (code, options) => super.compileSync(code, options),
  });

  override compile(code: string, options?: CompileOptions): Promise<Executable> {
    return this.cache.compile(code, options);
  }

  override compileSync(code: string, options?: CompileOptions): Executable {
    return this.cache.compileSync(code, options);
  }
}
