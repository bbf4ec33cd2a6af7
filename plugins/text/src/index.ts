export { BytesTokenizer, type BytesOptions } from './tokenizers/bytes';
export { TokenAuditor, type AuditedTokenizer, type TokenAudit } from './tokenizers/audit';
export { HuggingFaceTokenizer, type HuggingFaceOptions } from './tokenizers/huggingface';
export {
  trainTokenizer,
  type TrainTokenizerOptions,
  type TrainTokenizerProgress,
  type TrainTokenizerReport,
} from './tokenizers/training/train-tokenizer';
export { learnMerges, type LearnedMerges, type LearnOptions } from './tokenizers/training/bpe-trainer';
export { ChatFormat, GEMMA_MARKERS, type AnswerPair, type ChatMarkers, type ChatMessage } from './chat/chat-format';
export { findChatTemplate, openChatFormat, type ChatFormatOptions } from './chat/open-chat-format';
export { parseAnsweredConversation, parseConversation } from './chat/conversation';
export { RowProblem } from './rows/rows';
export { type TextOptions } from './datasets/text';
export { type JsonlOptions } from './datasets/jsonl';
export { type ParquetOptions } from './datasets/parquet';
export { TensorBatches, type TensorsOptions } from './datasets/tensors';
export { MixtureDataset, type MixtureMember, type MixtureOptions } from './datasets/mixture';
export { PackedExamples, packFirstFit, type PackOptions, type PackedField, type PackSettings } from './packing/pack';
export { PackedDataset, type PackedOptions } from './packing/packed';
export { findFiles, fingerprint, type DataFile } from './files/find-files';
export { belongs, type Split } from './datasets/hold-out';
export { withEos, type Cursor, type TokenChunk, type TokenSource } from './packing/token-source';
export { plugin } from './plugin';
export { plugin as default } from './plugin';
