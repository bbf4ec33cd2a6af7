export { plugin, plugin as default } from './plugin';
export { BytesTokenizer, bytesOptions, type BytesOptions, type ResolvedBytesOptions } from './tokenizers/bytes';
export { SidesTokenizer, sidesOptions, type ResolvedSidesOptions, type SidesOptions } from './tokenizers/sides';
export { TokenAuditor, type AuditedTokenizer, type TokenAudit } from './tokenizers/audit';
export {
  HuggingFaceTokenizer,
  huggingfaceOptions,
  type HuggingFaceOptions,
  type ResolvedHuggingFaceOptions,
} from './tokenizers/huggingface';
export {
  trainTokenizer,
  type TrainTokenizerOptions,
  type TrainTokenizerProgress,
  type TrainTokenizerReport,
} from './tokenizers/training/train-tokenizer';
export { learnMerges, type LearnedMerges, type LearnOptions } from './tokenizers/training/bpe-trainer';
export { ChatFormat, GEMMA_MARKERS, type AnswerPair, type ChatMarkers, type ChatMessage } from './chat/chat-format';
export { sideFormats, type SideFormats } from './chat/side-formats';
export { findChatTemplate, openChatFormat, type ChatFormatOptions } from './chat/open-chat-format';
export type { JinjaOptions, JinjaTemplate } from './chat/jinja';
export { parseAnsweredConversation, parseConversation } from './chat/conversation';
export { RowProblem, type Row } from './rows/rows';
export { readRows, type PlacedRow } from './rows/read-rows';
export { textOptions, type ResolvedTextOptions, type TextOptions } from './datasets/text';
export { rowOptions, type ResolvedRowOptions, type RowOptions } from './datasets/row-dataset';
export { chatOptions, type ChatOptions, type ResolvedChatOptions } from './datasets/chat';
export { preferencesOptions, type PreferencesOptions, type ResolvedPreferencesOptions } from './datasets/preferences';
export { type JsonlOptions } from './datasets/jsonl';
export { type ParquetOptions } from './datasets/parquet';
export { TensorBatches, tensorsOptions, type ResolvedTensorsOptions, type TensorsOptions } from './datasets/tensors';
export {
  MixtureDataset,
  mixtureOptions,
  type MixtureMember,
  type MixtureOptions,
  type ResolvedMixtureOptions,
} from './datasets/mixture';
export {
  PackedExamples,
  packFirstFit,
  packOption,
  type PackOptions,
  type ResolvedPackOptions,
  type PackedField,
  type PackSettings,
} from './packing/pack';
export { PackedDataset, type PackedOptions } from './packing/packed';
export { findFiles, fingerprint, type DataFile } from './files/find-files';
export { belongs, splitOption, type Split } from './datasets/hold-out';
export { withEos, type Cursor, type TokenChunk, type TokenSource } from './packing/token-source';
