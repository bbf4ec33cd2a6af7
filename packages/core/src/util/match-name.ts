/**
 * Whether a parameter's name matches a pattern in which `*` stands for any text.
 *
 *     matchesName('model.decoder.norm.weight', '*.norm.*')   ->   true
 */
export function matchesName(name: string, pattern: string): boolean {
  const [head, ...rest] = pattern.split('*');
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(head)) return false;
  const tail = rest.pop()!;
  let at = head.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - tail.length >= at && name.endsWith(tail);
}
