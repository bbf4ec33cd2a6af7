/**
 * The keys of a JSON text's outermost object in the order of the text, which `JSON.parse` does not keep for keys like
 * "7"; and the first key that an object anywhere in it has twice, of which `JSON.parse` silently takes the last. The
 * text must be valid JSON.
 */
export function scanKeys(text: string): { readonly keys: string[]; readonly duplicate?: string } {
  const keys: string[] = [];
  /** Keys of the objects around the place; undefined stands for an array. */
  const open: (Set<string> | undefined)[] = [];
  let previous = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      let end = i + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      const own = open.at(-1);
      if (own && previous !== ':') {
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (own.has(key)) return { keys, duplicate: key };
        own.add(key);
        if (open.length === 1) keys.push(key);
      }
      i = end;
    } else if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char !== ',' && char !== ':') continue;
    previous = char;
  }
  return { keys };
}
