import { malformedGguf } from './problems';
import { TOKEN_TYPE, type Vocabulary } from './vocabulary';

/** Most merges; Gemma 3 has 514,906. */
const MOST_MERGES = 1 << 21;

/** How the published converter to tokenizer.json writes a space inside of tokens. */
export const SPACE = '▁';

/** Tokens as a tokenizer.json has them: files spell spaces in added tokens as such. */
export const piecesOf = (vocabulary: Vocabulary): readonly string[] =>
  vocabulary.tokens.map((token, id) =>
    vocabulary.type(id) === TOKEN_TYPE.user ? token.replaceAll(' ', SPACE) : token,
  );

interface Merge {
  readonly left: string;
  readonly right: string;
  readonly score: number;
  /** Characters of the two. */
  readonly lengths: readonly [number, number];
  readonly order: number;
}

/**
 * The merges that join tokens in the order of their scores, in the order of the published converter: for every token,
 * all pairs of tokens that make it. Added tokens come first, because SentencePiece looks for them before anything else.
 */
export function scoredMerges(
  vocabulary: Vocabulary,
  pieces: readonly string[],
  scores: ArrayLike<number>,
): [string, string][] {
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const merges: Merge[] = [];
  pieces.forEach((piece, id) => {
    const score = vocabulary.type(id) === TOKEN_TYPE.user ? 0 : scores[id];
    const splits: { left: number; right: number; merge: Merge }[] = [];
    const characters = Array.from(piece);
    for (let at = 0, cut = 1; cut < characters.length; cut++) {
      at += characters[cut - 1].length;
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      const [first, second] = [ids.get(left), ids.get(right)];
      if (first === undefined || second === undefined) continue;
      const lengths = [cut, characters.length - cut] as const;
      splits.push({ left: first, right: second, merge: { left, right, score, lengths, order: 0 } });
    }
    splits.sort((a, b) => a.left - b.left || a.right - b.right);
    for (const { merge } of splits) merges.push({ ...merge, order: merges.length });
    if (merges.length > MOST_MERGES)
      throw malformedGguf(vocabulary.file, `its tokens have more than ${MOST_MERGES.toLocaleString('en')} merges`);
  });
  merges.sort(
    (a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1] || a.order - b.order,
  );
  return merges.map(({ left, right }) => [left, right]);
}
