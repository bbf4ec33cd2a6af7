import type { OptionDescription } from '@graft/core';

/** Columns of a terminal that sentences are folded to, at most and if it is not known. */
const WIDEST = 100;
const INDENT = '      ';

const asYaml = (value: unknown): string =>
  typeof value === 'string' && /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);

/** Whether an option may be left out, and what it then is: `required`, `default 3` or `optional`. */
function presence(option: OptionDescription): string {
  if (option.required) return 'required';
  return option.default === undefined ? 'optional' : `default ${asYaml(option.default)}`;
}

/** Lines of at most `width` columns; a longer word has a line of its own. */
function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Options for a terminal: path, type, range and default on one line, the sentence below. */
export function optionsText(options: readonly OptionDescription[], columns = WIDEST): string {
  if (options.length === 0) return '  It has no options.';
  const width = Math.max(30, Math.min(columns, WIDEST)) - INDENT.length;
  return options
    .flatMap((option) => [
      `  ${option.path}: ${[option.type, option.range, presence(option)].filter(Boolean).join('; ')}`,
      ...(option.description === '' ? [] : folded(option.description, width).map((line) => INDENT + line)),
    ])
    .join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text: string): string => `\`${cell(text)}\``;

/** Options as a table in Markdown. */
export function optionsTable(options: readonly OptionDescription[]): string {
  if (options.length === 0) return 'It has no options.';
  const rows = options.map((option) => [
    code(option.path),
    cell(option.type),
    cell(option.range ?? ''),
    option.required ? '_required_' : option.default === undefined ? '' : code(asYaml(option.default)),
    cell(option.description),
  ]);
  const head = ['option', 'type', 'range', 'default', 'meaning'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
