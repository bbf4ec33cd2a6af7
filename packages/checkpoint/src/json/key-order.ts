/** Whether JavaScript orders a key before all others, numerically. */
const INDEX = /^\d+$/;

/**
 * The keys of an object in the order of the JSON text from which it was parsed, which must be an object without
 * repeated keys.
 */
export function keysInOrder(object: Readonly<Record<string, unknown>>, text: string): string[] {
  const keys = Object.keys(object);
  // Integer keys come first.
  if (keys.length === 0 || !INDEX.test(keys[0])) return keys;
  const inOrder: string[] = [];
  let depth = 0;
  let previous = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      let end = i + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      if (depth === 1 && previous !== ':') inOrder.push(JSON.parse(text.slice(i, end + 1)) as string);
      i = end;
    } else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char !== ',' && char !== ':') continue;
    previous = char;
  }
  return inOrder;
}
