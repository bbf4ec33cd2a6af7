/** JSON as a tree that can say what JavaScript's values cannot: a key twice, 1e999, 20,000 lists in each other. */

/** Objects and lists within each other that Graft reads (docs/security.md). */
const DEEPEST = 500;

/* eslint-disable no-control-regex -- JSON's texts have no control characters */
/** `{ object: [[key, node]] }`, `{ list: [node] }` or `{ raw: text }`; keys are raw as well. Throws SyntaxError. */
export function parseTree(text) {
  let at = 0;
  const blank = () => {
    while (/[ \t\r\n]/.test(text[at] ?? '')) at++;
  };
  const expect = (sign) => {
    if (text[at] !== sign) throw new SyntaxError(`expected ${sign} at ${at}`);
    at++;
    blank();
  };
  const token = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw new SyntaxError(`unexpected sign at ${at}`);
    at += found.length;
    blank();
    return found;
  };
  const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
  const SCALAR =
    /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;
  const series = (end, item) => {
    const items = [];
    if (text[at] !== end)
      for (;;) {
        items.push(item());
        if (text[at] !== ',') break;
        expect(',');
      }
    expect(end);
    return items;
  };
  const value = (depth) => {
    if (depth >= DEEPEST && /[[{]/.test(text[at] ?? '')) throw new SyntaxError('too deep');
    if (text[at] === '{') {
      expect('{');
      return {
        object: series('}', () => {
          const key = token(STRING);
          expect(':');
          return [key, value(depth + 1)];
        }),
      };
    }
    if (text[at] === '[') {
      expect('[');
      return { list: series(']', () => value(depth + 1)) };
    }
    return { raw: token(SCALAR) };
  };
  blank();
  const tree = value(0);
  if (at < text.length) throw new SyntaxError(`unexpected sign at ${at}`);
  return tree;
}

export function printTree(node) {
  if (node.object) return `{${node.object.map(([key, inner]) => `${key}:${printTree(inner)}`).join(',')}}`;
  if (node.list) return `[${node.list.map(printTree).join(',')}]`;
  return node.raw;
}

/** Whether an object in it has a key twice. */
export function hasKeyTwice(node) {
  if (node.list) return node.list.some(hasKeyTwice);
  if (!node.object) return false;
  const keys = node.object.map(([key]) => JSON.parse(key));
  return new Set(keys).size < keys.length || node.object.some(([, inner]) => hasKeyTwice(inner));
}

/** Whether a number in it is beyond what JavaScript holds. */
export function hasEndlessNumber(node) {
  if (node.raw !== undefined) return /^-?\d/.test(node.raw) && !Number.isFinite(Number(node.raw));
  return (node.list ?? node.object.map(([, inner]) => inner)).some(hasEndlessNumber);
}

/** Whether a text or a key in it has half of a surrogate pair. */
export function hasHalfPair(node) {
  if (node.raw !== undefined) return node.raw.startsWith('"') && !JSON.parse(node.raw).isWellFormed();
  if (node.list) return node.list.some(hasHalfPair);
  return node.object.some(([key, inner]) => !JSON.parse(key).isWellFormed() || hasHalfPair(inner));
}

/** Every object and list, with their places. */
function containersOf(node, found = []) {
  if (node.object || node.list) found.push(node);
  for (const inner of node.object?.map(([, value]) => value) ?? node.list ?? []) containersOf(inner, found);
  return found;
}

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  '0',
  '-1',
  '\ud83d\ude00',
  'a'.repeat(3000),
].map((key) => JSON.stringify(key));
const RAW = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '-1',
  '1',
  '0.5',
  '1e-7',
  '1e308',
  '1e400',
  '-1e400',
  '2147483647',
  '2147483648',
  '4294967296',
  '-2147483649',
  '9007199254740991',
  '9007199254740993',
  '12345678901234567890',
  '100000000',
  '1000000',
  '65536',
  '""',
  '" "',
  '"\\ud800"',
  '"\\u0000"',
  '"\\ud83d\\ude00"',
  '"../../x"',
  '"/etc/hostname"',
  '"NaN"',
  '"1"',
  '"__proto__"',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"":null}',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"toString":1,"valueOf":2}',
  '"\\u001b[31m"',
  '"\\n"',
  '"%s{}\\\\"',
];
const LARGE = [
  () => `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  () => `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  () => `${'['.repeat(600)}${']'.repeat(600)}`,
  () => `[${'0,'.repeat(50_000)}0]`,
  () => `"${'a'.repeat(200_000)}"`,
  () => `"${'(a+)+'.repeat(50)}"`,
  () => `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join(',')}}`,
  () => '9'.repeat(400),
];
const scalar = (random) => ({ raw: random.chance(0.08) ? random.pick(LARGE)() : random.pick(RAW) });

/** A number beside the one that is there. */
function nearby(raw, random) {
  const number = Number(raw);
  return random
    .pick([
      number + 1,
      number - 1,
      -number,
      number * 2,
      number * 1000,
      number / 3,
      Math.floor(number / 2),
      number + 2 ** 32,
    ])
    .toString();
}

function changeOne(tree, random) {
  const at = random.pick(containersOf(tree));
  const all = at?.object ?? at?.list;
  if (!all || all.length === 0) {
    if (at?.object) at.object.push([random.pick(KEYS), scalar(random)]);
    else if (at?.list) at.list.push(scalar(random));
    else Object.assign(tree, { raw: undefined }, scalar(random));
    return;
  }
  const place = random.below(all.length);
  const get = () => (at.object ? at.object[place][1] : at.list[place]);
  const set = (node) => {
    if (at.object) at.object[place] = [at.object[place][0], node];
    else at.list[place] = node;
  };
  const wrap = random.chance(0.5) ? (node) => ({ list: [node] }) : (node) => ({ object: [['"a"', node]] });
  const actions = [
    () => all.splice(place, 1),
    () => all.splice(random.below(all.length + 1), 0, structuredClone(all[place])),
    () => set(scalar(random)),
    () => set(scalar(random)),
    () => set(structuredClone(random.pick(containersOf(tree)))),
    () => set(wrap(get())),
    () => {
      const other = random.below(all.length);
      [all[place], all[other]] = [all[other], all[place]];
    },
    () => {
      const { raw } = get();
      if (/^-?\d/.test(raw ?? '')) set({ raw: nearby(raw, random) });
      else if (raw?.startsWith('"'))
        set({
          raw: JSON.stringify(JSON.parse(raw) + random.pick(['x', '\u0000', '/../x', JSON.parse(raw), '{}{}', '\n'])),
        });
      else set(scalar(random));
    },
  ];
  if (at.object)
    actions.push(
      () => (at.object[place] = [random.pick(KEYS), at.object[place][1]]),
      () => (at.object[place] = [random.pick(at.object)[0], at.object[place][1]]),
      () => at.object.push([at.object[place][0], scalar(random)]),
      () => at.object.push([random.pick(KEYS), scalar(random)]),
    );
  random.pick(actions)();
}

/** Bytes of a JSON text that is nearly the one given; the same bytes where they hold no JSON. */
export function mutateJson(bytes, random, times = random.pick([1, 1, 2, 4])) {
  let tree;
  try {
    tree = parseTree(bytes.toString('utf8'));
  } catch {
    return bytes;
  }
  for (let i = 0; i < times; i++) changeOne(tree, random);
  return Buffer.from(printTree(tree));
}
