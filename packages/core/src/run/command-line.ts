import { basename } from 'node:path';
import { parseOverride } from '../config';
import { maskedForMessage, secretsIn } from '../secrets/mask';
import { MASK, redact } from '../secrets/redact';

/**
 * The command line of a process as a user would type it, with secrets masked: those in the config, those that this
 * process knows, and values of keys whose names suggest a secret.
 *
 *     commandLine(['node', '/…/bin/graft.js', 'run', 'a.yaml', '--set', 'trackers.0.token=abc'], config)
 *     ->   "graft run a.yaml --set 'trackers.0.token=***'"
 */
export function commandLine(argv: readonly string[], config: unknown): string {
  const [node = 'node', script = '', ...rest] = argv;
  const program = /^graft(\.[cm]?js)?$/.test(basename(script)) ? ['graft'] : [basename(node), script];
  const literal = secretsIn(config).flatMap(({ secret }) => (secret.isLiteral ? [secret.reveal()] : []));
  const shown = rest.map((word, i) => {
    const isSet = rest[i - 1] === '--set';
    const override = isSet ? word : word.startsWith('--set=') ? word.slice('--set='.length) : undefined;
    const masked =
      override === undefined
        ? word
        : `${word.slice(0, word.length - override.length)}${maskedOverride(override, literal)}`;
    return redact(masked);
  });
  return [...program, ...shown].map(quoted).join(' ');
}

/** `a.b=c`; masks the whole value if it contains a secret. */
function maskedOverride(text: string, literal: readonly string[]): string {
  const hidden = `${text.slice(0, text.indexOf('='))}=${MASK}`;
  try {
    const { path, value } = parseOverride(text);
    const tree = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    const changed = JSON.stringify(maskedForMessage(tree)) !== JSON.stringify(tree);
    return changed || literal.some((secret) => text.includes(secret)) ? hidden : text;
  } catch {
    return hidden;
  }
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./*-]+$/.test(word) && !word.includes(MASK) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
