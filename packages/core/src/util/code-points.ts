/**
 * The part of a text between two positions in Unicode code points, as Python counts them; JavaScript counts characters
 * outside of the first plane twice.
 */
export function sliceCodePoints(text: string, start: number, end: number): string {
  if (!/[\ud800-\udfff]/.test(text)) return text.slice(start, end);
  return Array.from(text).slice(start, end).join('');
}
