export { BytesTokenizer, type BytesOptions } from './bytes';
export { TokenAuditor, type AuditedTokenizer, type TokenAudit } from './audit';
export { HuggingFaceTokenizer, type HuggingFaceOptions } from './huggingface';
export {
  trainTokenizer,
  type TrainTokenizerOptions,
  type TrainTokenizerProgress,
  type TrainTokenizerReport,
} from './train-tokenizer';
export { learnMerges, type LearnedMerges, type LearnOptions } from './bpe-trainer';
export { ChatFormat, GEMMA_MARKERS, type AnswerPair, type ChatMarkers, type ChatMessage } from './chat-format';
export { findChatTemplate, openChatFormat, type ChatFormatOptions } from './open-chat-format';
export { parseAnsweredConversation, parseConversation } from './conversation';
export { RowProblem } from './rows';
export { type TextOptions } from './text';
export { type JsonlOptions } from './jsonl';
export { type ParquetOptions } from './parquet';
export { TensorBatches, type TensorsOptions } from './tensors';
export { MixtureDataset, type MixtureMember, type MixtureOptions } from './mixture';
export { PackedExamples, packFirstFit, type PackOptions, type PackedField, type PackSettings } from './pack';
export { PackedDataset, type PackedOptions } from './packed';
export { findFiles, fingerprint, type DataFile } from './find-files';
export { belongs, type Split } from './hold-out';
export { withEos, type Cursor, type TokenChunk, type TokenSource } from './token-source';
export { plugin } from './plugin';
export { plugin as default } from './plugin';
