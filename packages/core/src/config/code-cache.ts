import { cacheFolder } from '@graft/engine';
import {
  findUntrusted,
  LARGEST_WHOLE_FILE_BYTES,
  makePrivateFolder,
  openRegularFileSync,
  untrustedEntry,
} from '@graft/files';
import { codeFolder } from '@graft/engine/internal';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Entries that were not used for this many days are removed. */
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;

/** Left over from a process that was killed while writing. */
const UNFINISHED = /\.tmp$/;
const HOUR_MS = 3_600_000;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
/** Each file begins with the SHA-256 of the rest. */
const DIGEST_LENGTH = 64;

/**
 * A cache of JavaScript compiled from TypeScript: the name of an entry is the SHA-256 of the source and of all inputs
 * of the compiler. It is in the user's cache, in a folder with mode 0700; an entry that another user owns, or can write
 * to, is not read. Without such a folder, nothing is stored.
 */
export class CodeCache {
  constructor(private readonly root = cacheFolder()) {}

  private get folder(): string {
    return codeFolder(this.root);
  }

  /**
   * The program of these parts; `compile` creates it if it is not cached, or not safely. Unusable entries are compiled
   * again.
   */
  get(parts: readonly unknown[], compile: () => string): string {
    const file = join(this.folder, `${sha256(JSON.stringify(parts))}.js`);
    const kept = this.read(file);
    if (kept !== undefined) return kept;
    const program = compile();
    this.keep(file, program);
    return program;
  }

  private read(file: string): string | undefined {
    if (findUntrusted(this.root, file)) return undefined;
    let descriptor: number | undefined;
    try {
      descriptor = openRegularFileSync(file);
      const entry = fstatSync(descriptor);
      // Checked on the open file: the name may refer to another file by now.
      if (untrustedEntry(file, entry) || entry.size > LARGEST_WHOLE_FILE_BYTES) return undefined;
      const content = readFileSync(descriptor, 'utf8');
      const program = content.slice(DIGEST_LENGTH);
      // After a power cut a file may lack its end.
      if (sha256(program) !== content.slice(0, DIGEST_LENGTH)) return undefined;
      const now = new Date();
      utimesSync(file, now, now);
      return program;
    } catch {
      return undefined;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  private keep(file: string, program: string): void {
    if (makePrivateFolder(this.root, this.folder)) return;
    const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    try {
      writeFileSync(temporary, sha256(program) + program, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, file);
      this.sweep();
    } catch {
      // For example, a full disk: the program is available now, and will be compiled again next time.
      rmSync(temporary, { force: true });
    }
  }

  private sweep(): void {
    for (const name of readdirSync(this.folder)) {
      const file = join(this.folder, name);
      try {
        const age = Date.now() - lstatSync(file).mtimeMs;
        if (age > (UNFINISHED.test(name) ? HOUR_MS : KEPT_DAYS * DAY_MS))
          rmSync(file, { recursive: true, force: true });
      } catch {
        // Another process was faster.
      }
    }
  }
}
