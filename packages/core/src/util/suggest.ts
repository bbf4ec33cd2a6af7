import { closest, distance } from 'fastest-levenshtein';

/** The known name nearest to a wrong one, if near enough to have been meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const wanted = name.toLowerCase();
  const best = closest(
    wanted,
    known.map((candidate) => candidate.toLowerCase()),
  );
  const maxDistance = Math.min(name.length - 1, Math.max(2, Math.floor(name.length / 3)));
  if (distance(wanted, best) > maxDistance) return undefined;
  return known.find((candidate) => candidate.toLowerCase() === best);
}

/** `; did you mean "x"?` or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const best = nearest(name, known);
  return best === undefined ? '' : `; did you mean "${best}"?`;
}
