const TOKEN =
  /[{}[\]:,]|"(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

/** JSON.parse, whose errors say what was expected and where: `expected a key in double quotes, got "," (3:13)`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const found = firstProblem(text);
    throw found === undefined ? cause : new SyntaxError(found, { cause });
  }
}

/** What may come next: a value, `key:` with its value in an object, or what follows a value. */
type Next = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | 'more';

const WORDS: Readonly<Record<Exclude<Next, 'more'>, string>> = {
  value: 'a value',
  'value or ]': 'a value or "]"',
  key: 'a key in double quotes',
  'key or }': 'a key in double quotes or "}"',
  ':': '":" after a key',
};

/** Where a text stops to be JSON, and what should be there; JSON.parse does not always tell. */
function firstProblem(text: string): string | undefined {
  const open: ('{' | '[')[] = [];
  let next: Next = 'value';
  for (let at = 0; ;) {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)![0].length;
    TOKEN.lastIndex = at;
    const token: string | undefined = TOKEN.exec(text)?.[0];
    if (token === undefined && at === text.length && next === 'more' && open.length === 0) return undefined;
    const after: Next | undefined = token === undefined ? undefined : follow(token, next, open);
    if (after === undefined) return `expected ${wanted(next, open.at(-1))}, got ${describe(text, at)}`;
    next = after;
    at += token!.length;
  }
}

/** What may follow a token; undefined where it may not stand. */
function follow(token: string, next: Next, open: ('{' | '[')[]): Next | undefined {
  const around = open.at(-1);
  if (next === 'more') {
    if (around !== undefined && token === ',') return around === '{' ? 'key' : 'value';
    return closes(token, around) ? close(open) : undefined;
  }
  if (next === ':') return token === ':' ? 'value' : undefined;
  if ((next === 'key or }' || next === 'value or ]') && closes(token, around)) return close(open);
  if (next === 'key' || next === 'key or }') return token.startsWith('"') ? ':' : undefined;
  if (token === '{' || token === '[') {
    open.push(token);
    return token === '{' ? 'key or }' : 'value or ]';
  }
  return /^[}\]:,]/.test(token) ? undefined : 'more';
}

function closes(token: string, around: '{' | '[' | undefined): boolean {
  return around !== undefined && token === (around === '{' ? '}' : ']');
}

function close(open: unknown[]): Next {
  open.pop();
  return 'more';
}

function wanted(next: Next, around: '{' | '[' | undefined): string {
  if (next !== 'more') return WORDS[next];
  return around === undefined ? 'the end' : `"," or "${around === '{' ? '}' : ']'}"`;
}

/** What is there, and its line and column, from 1 on. */
function describe(text: string, at: number): string {
  const before = text.slice(0, at).split('\n');
  const word = /^(?:[\w.+-]+|"[^"\n]*"?|[^])/.exec(text.slice(at))?.[0];
  const got = word === undefined ? 'the end' : word.startsWith('"') ? word : JSON.stringify(word);
  return `${got} (${before.length}:${before.at(-1)!.length + 1})`;
}
