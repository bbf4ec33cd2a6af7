import type { AuditedTokenizer, TokenAudit } from '@graft/text';
import type { CommandContext } from './shared/context';
import { CommandLineError } from '../output/command-line-error';
import { table } from '../output/table';

export interface AuditCommandOptions {
  ids?: string[];
  sentinels?: boolean;
  json?: boolean;
}

const GIVEN: Readonly<Record<TokenAudit['given'], string>> = {
  yes: 'yes',
  spelled: 'by its own spelling only',
  no: 'no',
  unknown: 'not found out',
};
const KINDS: Readonly<Record<TokenAudit['kind'], string>> = {
  special: 'special token',
  unused: 'unused token',
  added: 'added token',
  byte: 'byte',
  piece: 'piece of text',
  none: 'no token',
};
const EXAMPLES = 4;

/** Prints for each requested token, by default for all tokens by kind, whether text can produce it. */
export async function auditTokenizer(
  context: CommandContext,
  path: string,
  tokenizer: AuditedTokenizer,
  { ids: words, sentinels, json }: AuditCommandOptions,
): Promise<void> {
  if (words && sentinels) throw new CommandLineError('Give either --ids or --sentinels.');
  const { TokenAuditor } = await import('@graft/text');
  const named = tokenizer.namedTokens ?? [];
  const size = Math.max(tokenizer.vocabularySize, ...named.slice(-1).map(({ id }) => id + 1));
  const ids = words
    ? words.flatMap((word) => idsOf(word, path, tokenizer, size))
    : sentinels
      ? named.filter(({ kind }) => kind === 'unused').map(({ id }) => id)
      : Array.from({ length: size }, (_, id) => id);
  const auditor = new TokenAuditor(tokenizer);
  const audits = ids.map((id) => auditor.audit(id));
  if (json) {
    context.print(JSON.stringify(words || sentinels ? { tokens: audits } : { kinds: summaryOf(audits) }, null, 2));
    return;
  }
  if (words) context.print(details(audits));
  else if (sentinels) context.print(stretches(audits));
  else context.print(overview(audits));
  if (sentinels)
    context.note(
      `${audits.length.toLocaleString('en')} unused tokens, from which \`sentinels: auto\` and \`modeTokens: auto\` take theirs; then ids from ${size} on, where the model's vocabulary has them.`,
    );
}

/** `7`, `7..105` or `<unused7>`. */
function idsOf(word: string, path: string, tokenizer: AuditedTokenizer, size: number): number[] {
  const [, first, last = first] = /^(\d+)(?:\.\.(\d+))?$/.exec(word) ?? [];
  if (first !== undefined && Number(first) <= Number(last) && Number(last) < size)
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  const id = tokenizer.namedTokens?.find(({ token }) => token === word)?.id ?? tokenizer.idOf?.(word);
  if (first === undefined && id !== undefined) return [id];
  throw new CommandLineError(
    `"${word}" is not a token of ${path}; expected ids from 0 to ${size - 1}, stretches of them as 7..105, or tokens as '<unused7>'.`,
  );
}

function details(audits: readonly TokenAudit[]): string {
  return table(
    ['id', 'token', 'kind', 'text gives it', 'as in, or why not'],
    audits.map(({ id, token, kind, given, text, reason }) => [
      String(id),
      token === undefined ? '' : JSON.stringify(token),
      KINDS[kind],
      GIVEN[given],
      text === undefined ? (reason ?? '') : JSON.stringify(text),
    ]),
    { right: [0] },
  );
}

interface KindSummary {
  readonly kind: TokenAudit['kind'];
  readonly given: TokenAudit['given'];
  readonly count: number;
  readonly examples: readonly { readonly id: number; readonly token?: string }[];
}

function summaryOf(audits: readonly TokenAudit[]): KindSummary[] {
  const groups = new Map<string, TokenAudit[]>();
  for (const audit of audits) {
    const key = `${audit.kind} ${audit.given}`;
    groups.set(key, [...(groups.get(key) ?? []), audit].slice(0, EXAMPLES));
  }
  const counts = new Map<string, number>();
  for (const { kind, given } of audits) counts.set(`${kind} ${given}`, (counts.get(`${kind} ${given}`) ?? 0) + 1);
  return [...groups].map(([key, some]) => ({
    kind: some[0].kind,
    given: some[0].given,
    count: counts.get(key)!,
    examples: some.map(({ id, token }) => ({ id, token })),
  }));
}

function overview(audits: readonly TokenAudit[]): string {
  return table(
    ['kind', 'text gives it', 'tokens', 'first ones'],
    summaryOf(audits).map(({ kind, given, count, examples }) => [
      KINDS[kind],
      GIVEN[given],
      count.toLocaleString('en'),
      examples.map(({ id, token }) => `${id}${token === undefined ? '' : ` ${JSON.stringify(token)}`}`).join(', '),
    ]),
    { right: [2] },
  );
}

/** Combines consecutive ids with the same result into one line. */
function stretches(audits: readonly TokenAudit[]): string {
  const runs: TokenAudit[][] = [];
  for (const audit of audits) {
    const last = runs.at(-1)?.at(-1);
    if (last && last.id + 1 === audit.id && last.given === audit.given) runs.at(-1)!.push(audit);
    else runs.push([audit]);
  }
  const between = (one: string, other: string): string => (one === other ? one : `${one}..${other}`);
  return table(
    ['ids', 'tokens', 'count', 'text gives them'],
    runs.map((run) => [
      between(String(run[0].id), String(run.at(-1)!.id)),
      between(run[0].token ?? '', run.at(-1)!.token ?? ''),
      run.length.toLocaleString('en'),
      run[0].given === 'spelled' ? 'by their own spelling only' : GIVEN[run[0].given],
    ]),
    { right: [2] },
  );
}
