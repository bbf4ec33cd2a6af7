/**
 * Regular expressions of published tokenizers, as spelled in their files. Each matches a character wherever it begins,
 * and backtracks over no more than it consumes next: on every text their time is linear in its length. Others have a
 * time limit.
 */
const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const ENDINGS = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const SIGNS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const BEFORE = '[^\\r\\n\\p{L}\\p{N}]?';

/** The words of GPT-2, the default of byte-level tokenizers. */
export const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

export const PUBLISHED_PATTERNS: ReadonlySet<string> = new Set([
  GPT2_WORDS,
  // Llama 3; Qwen 2 and 3.
  ...['\\p{N}{1,3}', '\\p{N}'].map((digits) => [CONTRACTION, `${BEFORE}\\p{L}+`, digits, SIGNS, ENDINGS].join('|')),
  // GPT-4o and later.
  [
    `${BEFORE}${UPPER}*${LOWER}+${CONTRACTION}?`,
    `${BEFORE}${UPPER}+${LOWER}*${CONTRACTION}?`,
    '\\p{N}{1,3}',
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*',
    ENDINGS,
  ].join('|'),
  // The three patterns of DeepSeek V3.
  '\\p{N}{1,3}',
  '[一-龥\u3040-ゟ゠-ヿ]+',
  [
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+',
    '[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+',
    ' ?[\\p{P}\\p{S}]+[\r\n]*',
    '\\s*[\r\n]+',
    '\\s+(?!\\S)',
    '\\s+',
  ].join('|'),
]);
