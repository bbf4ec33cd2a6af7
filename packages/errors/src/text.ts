/**
 * At most the first `longest` UTF-16 units of a text. The result never ends in half of a surrogate pair, which
 * databases, terminals and JSON readers reject.
 *
 *     cutText('ab😀', 3)   ->   'ab'
 */
export function cutText(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const last = text.charCodeAt(longest - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? longest - 1 : longest);
}

/** The text if it has at most `longest` UTF-16 units; otherwise its end is replaced by "…". */
export function shortened(text: string, longest: number): string {
  return text.length > longest ? `${cutText(text, longest - 1)}…` : text;
}

/**
 * The first `most` items of a list, and how many others there are.
 *
 *     listed(['a', 'b', 'c', 'd'], 2)   ->   'a, b and 2 more'
 */
export function listed(items: readonly string[], most: number, between = ', ', last = ' and'): string {
  const more = items.length > most ? `${last} ${items.length - most} more` : '';
  return `${items.slice(0, most).join(between)}${more}`;
}

const MOST_PROBLEMS = 5;

/** The first problems of several, each of them a clause: `"a" is missing; "b" is missing; and 3 more`. */
export function listedProblems(problems: readonly string[]): string {
  return listed(problems, MOST_PROBLEMS, '; ', '; and');
}

/** A JSON value for a message, shortened. `absent`: the text for undefined. */
export function shownJson(value: unknown, absent: string, longest: number): string {
  return shortened(JSON.stringify(value) ?? absent, longest);
}

/** 1536 → `1.5 KiB`. */
export function formatSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}

/**
 * The text, with its middle replaced by "… (N characters) …" if it has more than `longest` UTF-16 units; three quarters
 * of what remains are its beginning.
 */
export function withoutMiddle(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const begin = cutText(text, Math.floor((3 * longest) / 4));
  const from = text.length - Math.floor(longest / 4);
  const isInPair = /[\udc00-\udfff]/.test(text[from]);
  const end = text.slice(isInPair ? from + 1 : from);
  return `${begin} … (${text.length - begin.length - end.length} characters) … ${end}`;
}
