/** What stands on either side of a border. */
export type Sides = readonly [before: string, after: string];

/** One step from the given text to the one that is cut into tokens. */
export interface Normalizer {
  normalize(text: string): string;
  /**
   * What the characters on both sides of a border become where the text before it and the one behind can be normalized each
   * by itself; undefined where they cannot.
   */
  sides(before: string, after: string): Sides | undefined;
  /** Whether the result may lack characters that the text begins with. */
  readonly dropsCharacters: boolean;
}
