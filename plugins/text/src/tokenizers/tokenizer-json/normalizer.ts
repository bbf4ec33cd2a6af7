/** The characters on both sides of a border. */
export type Sides = readonly [before: string, after: string];

/** One step from the original text to the one that is split into tokens. */
export interface Normalizer {
  normalize(text: string): string;
  /**
   * The characters on both sides of a border after normalization, if the text before and the text after can be
   * normalized separately; undefined if they cannot.
   */
  sides(before: string, after: string): Sides | undefined;
  /** Whether the result may lack characters at the beginning of the text. */
  readonly dropsCharacters: boolean;
}
