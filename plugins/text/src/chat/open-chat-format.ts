import { checkpointPath } from '@graft/checkpoint';
import { DataError, type Tokenizer } from '@graft/core';
import { shortened } from '@graft/core/internal';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ChatFormat, GEMMA_MARKERS } from './chat-format';
import { JinjaTemplate } from './jinja';
import { readObject, readText } from '../files/text-file';

const UNREADABLE = { code: 'chat.unreadable', exitCode: 2 } as const;
const TEMPLATE_FILE = 'chat_template.jinja';
const OLD_TEMPLATE_FILE = 'chat_template.json';
const CONFIG_FILE = 'tokenizer_config.json';
/** The template for conversations without tools or documents, if there are several. */
const DEFAULT_NAME = 'default';

type Json = Readonly<Record<string, unknown>>;

/** Which template is rendered, and for what time. */
export interface ChatFormatOptions {
  /** Name of the template, if there are several. Default: `default`. */
  readonly name?: string;
  /** For `strftime_now`. Default: the time of rendering. */
  readonly now?: Date;
}

/**
 * The chat template of a checkpoint: chat_template.jinja, chat_template.json, or the one in tokenizer_config.json;
 * otherwise undefined. `path` is such a folder, or a template file. Throws DataError if a file is malformed or lacks
 * the named template.
 */
export async function findChatTemplate(
  given: string,
  tokenizer: Tokenizer,
  { name, now }: ChatFormatOptions = {},
): Promise<ChatFormat | undefined> {
  const path = await checkpointPath(given);
  const entry = await stat(path).catch(() => undefined);
  if (!entry) throw new DataError(`There is no chat template at ${path}.`, { code: 'chat.missing', exitCode: 2 });
  const folder = entry.isDirectory() ? path : join(path, '..');
  const configFile = join(folder, CONFIG_FILE);
  const config = (await readJson(configFile)) ?? {};
  const found = entry.isDirectory() ? await templateIn(folder, config, name) : await templateFile(path, name);
  if (!found) return undefined;
  return ChatFormat.ofTemplate(
    new JinjaTemplate(found.source, found.file),
    specialTexts(config, tokenizer),
    tokenizer,
    now,
  );
}

/** The first chat template that one of the folders contains, otherwise Gemma's markup. */
export async function openChatFormat(
  folders: readonly string[],
  tokenizer: Tokenizer,
  options: ChatFormatOptions = {},
): Promise<ChatFormat> {
  for (const folder of folders) {
    const found = await findChatTemplate(folder, tokenizer, options);
    if (found) return found;
  }
  if (options.name !== undefined)
    throw new DataError(`There is no chat template "${options.name}" in ${folders.join(' or ') || 'the tokenizer'}.`, {
      code: 'chat.missing',
      exitCode: 2,
    });
  return ChatFormat.ofMarkers(GEMMA_MARKERS, tokenizer);
}

interface Found {
  readonly source: string;
  readonly file: string;
}

async function templateIn(folder: string, config: Json, name: string | undefined): Promise<Found | undefined> {
  const file = join(folder, TEMPLATE_FILE);
  const source = name === undefined || name === DEFAULT_NAME ? await readText(file, UNREADABLE) : undefined;
  if (source !== undefined) return { source, file };
  if (name !== undefined) {
    const additional = join(folder, 'additional_chat_templates', `${name}.jinja`);
    const named = /^[\w.-]+$/.test(name) ? await readText(additional, UNREADABLE) : undefined;
    if (named !== undefined) return { source: named, file: additional };
  }
  const old = join(folder, OLD_TEMPLATE_FILE);
  const oldTemplate = (await readJson(old))?.chat_template;
  if (oldTemplate !== undefined) return choose(oldTemplate, old, name);
  return choose(config.chat_template, join(folder, CONFIG_FILE), name);
}

async function templateFile(file: string, name: string | undefined): Promise<Found | undefined> {
  if (!file.endsWith('.json')) return { source: (await readText(file, UNREADABLE))!, file };
  const found = choose((await readJson(file))?.chat_template, file, name);
  if (found) return found;
  throw new DataError(`${file} has no "chat_template".`, { code: 'chat.missing', exitCode: 2 });
}

/** One template, or the wanted one of a list `{ name, template }` (in old files a map). */
function choose(value: unknown, file: string, name: string | undefined): Found | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string')
    return name === undefined || name === DEFAULT_NAME ? { source: value, file } : undefined;
  const malformed = new DataError(
    `${file}: "chat_template" should be a text, or a list of { name, template }, but is ${shortened(JSON.stringify(value), 60)}.`,
    { code: 'chat.template', exitCode: 2 },
  );
  if (typeof value !== 'object') throw malformed;
  const entries = (
    Array.isArray(value) ? value : Object.entries(value).map(([key, template]) => ({ name: key, template }))
  ).map((entry: unknown) => (entry ?? {}) as { name?: unknown; template?: unknown });
  const templates = new Map<string, string>();
  for (const { name: key, template } of entries) {
    if (typeof key !== 'string' || typeof template !== 'string') throw malformed;
    templates.set(key, template);
  }
  const wanted = name ?? (templates.size === 1 ? [...templates.keys()][0] : DEFAULT_NAME);
  const source = templates.get(wanted);
  if (source !== undefined) return { source, file: `${file} ("${wanted}")` };
  throw new DataError(`${file} has no chat template "${wanted}"; it has ${[...templates.keys()].join(', ')}.`, {
    code: 'chat.missing',
    exitCode: 2,
  });
}

/** Texts of special tokens, by the names that templates know them under. */
function specialTexts(config: Json, tokenizer: Tokenizer): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const kind of ['bos', 'eos', 'pad', 'unk', 'sep', 'cls', 'mask']) {
    const value = config[`${kind}_token`];
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    if (typeof text === 'string') texts[`${kind}_token`] = text;
  }
  // null in the file means none; a missing key means the tokenizer's token.
  for (const [kind, id] of [['bos', tokenizer.bosId] as const, ['eos', tokenizer.eosId] as const])
    if (config[`${kind}_token`] === undefined) texts[`${kind}_token`] = tokenizer.decode([id], { keepSpecial: true });
  return texts;
}

const readJson = (file: string): Promise<Json | undefined> => readObject(file, UNREADABLE);
