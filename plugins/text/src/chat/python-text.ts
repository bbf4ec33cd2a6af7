/** Text functions of Python that JavaScript has in another form. */

/**
 * Characters for which Python's `str.isspace` is true; JavaScript's `\s` lacks the separators and U+0085, and includes
 * U+FEFF.
 */
const PYTHON_SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

export type Strip = 'strip' | 'lstrip' | 'rstrip';

export const stripsBy = (name: unknown): name is Strip => name === 'strip' || name === 'lstrip' || name === 'rstrip';

const isSpace = new RegExp(`^[${PYTHON_SPACE}]$`);

/** `str.strip`, `lstrip` or `rstrip`: removes Python's whitespace, or any of `characters`. */
export function pythonStrip(text: string, side: Strip = 'strip', characters?: string): string {
  const points = Array.from(text);
  const wanted = characters === undefined ? undefined : new Set(Array.from(characters));
  const goes = (point: string): boolean => (wanted ? wanted.has(point) : isSpace.test(point));
  let from = 0;
  let to = points.length;
  if (side !== 'rstrip') while (from < to && goes(points[from])) from++;
  if (side !== 'lstrip') while (to > from && goes(points[to - 1])) to--;
  return points.slice(from, to).join('');
}

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Python's `strftime` in the C locale, local time. Throws for an unknown directive. */
export function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const month = MONTHS[date.getMonth()];
  const day = DAYS[date.getDay()];
  const fields: Readonly<Record<string, string>> = {
    '%': '%',
    A: day,
    a: day.slice(0, 3),
    B: month,
    b: month.slice(0, 3),
    d: two(date.getDate()),
    H: two(date.getHours()),
    I: two(date.getHours() % 12 || 12),
    M: two(date.getMinutes()),
    m: two(date.getMonth() + 1),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    S: two(date.getSeconds()),
    Y: String(date.getFullYear()).padStart(4, '0'),
    y: two(date.getFullYear() % 100),
  };
  return format.replace(/%(.?)/gs, (directive: string, name: string) => {
    if (!Object.hasOwn(fields, name)) throw new Error(`strftime_now does not know "${directive}"`);
    return fields[name];
  });
}
