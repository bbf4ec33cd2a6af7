import { defineComponent } from '@graft/core';
import { openRowDataset, rowOptions, type RowOptions } from './row-dataset';

/** The options of the dataset `jsonl`. */
export type JsonlOptions = RowOptions;

/**
 * Texts, or pairs of source and target, from files with a JSON object on each line, blank lines skipped; plain or gzip.
 *
 *     {"question": "ab", "answer": "c"}   with source: question, target: answer   ->   source [a, b], target [c, eos]
 *                                       with source: 'Q: {question}', target: answer   ->   source [Q, :, ' ', a, b], ...
 */
export const jsonl = defineComponent({
  interface: 'dataset',
  id: 'jsonl',
  description: 'texts, or sources and targets, from files with a JSON object on each line',
  options: rowOptions,
  useFactory: (context) => openRowDataset(context, 'lines'),
});
