import type { FieldSpec, HostFields } from './batch';
import type { JsonValue } from './json';
import type { ObjectiveSource } from './objective';
import type { SideTokenizers, TokenizerFacts } from './tokenizer';

/** An async-iterable of examples whose position can be saved and restored exactly. */
export interface Dataset extends AsyncIterable<HostFields> {
  /** `examples`: one sequence per item, batched by the Objective; `batch`: an item is a ready batch. */
  readonly kind: ObjectiveSource['kind'];
  readonly fields: readonly FieldSpec[];
  /** Facts about the tokenizer of the items' ids, with two of them the decoder's. Default: unknown. */
  readonly tokenizer?: TokenizerFacts;
  /**
   * The tokenizers of the two sides, if the dataset encodes sources by another one than targets; `tokens`, which an
   * objective cuts into both, are then the decoder's. Default: one tokenizer encodes everything.
   */
  readonly tokenizers?: SideTokenizers;
  /** Items per epoch, if known. */
  readonly length?: number;
  /** Whether the dataset starts another epoch after its last item. Default: unknown. */
  readonly repeats?: boolean;
  /**
   * Variants of the objective for which the dataset has separate items; `a` stands for all variants of that part
   * (`a/low` and so on).
   */
  readonly variants?: readonly string[];
  /**
   * Selects the items for a variant of the objective, before the items of a batch are read; returns their fields.
   * Throws DataError if there are none.
   */
  select?(variant: string | undefined): readonly FieldSpec[];
  /**
   * Sets the length in tokens of the following items, until the next call, for text that can be cut anywhere;
   * undefined: the length in the dataset's options. Default: the dataset determines the length of each item.
   */
  cut?(tokens: number | undefined): void;
  /** The position of the next item as plain JSON: a checkpoint stores it and `restore` receives it. */
  position(): JsonValue;
  /** Continues with the item after a position that `position` returned, in this process or an earlier one. */
  restore(position: JsonValue): Promise<void>;
  /**
   * Skips the next items (of the selected variant) without creating them, because other workers or threads create
   * those. Returns how many it skipped; fewer than `items` only if the iteration would end. A running iteration
   * continues after them. Default: the items are read and dropped.
   */
  skip?(items: number): Promise<number>;
  /**
   * The run calls it when it ends, in the thread that created the dataset. The run waits at most 2 s for a separate
   * thread.
   */
  dispose?(): void;
}
