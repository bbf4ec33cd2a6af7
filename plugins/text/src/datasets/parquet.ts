import { defineComponent } from '@graft/core';
import { openRowDataset, rowOptions, type RowOptions } from './row-dataset';

/** The options of the dataset `parquet`. */
export type ParquetOptions = RowOptions;

/** Like `jsonl`, but from Parquet: the keys are columns. */
export const parquet = defineComponent({
  interface: 'dataset',
  id: 'parquet',
  description: 'texts, or sources and targets, from the columns of Parquet files',
  options: rowOptions,
  useFactory: (context) => openRowDataset(context, 'parquet'),
});
