/**
 * Regular expressions of published tokenizers, as their files spell them. Each takes a character wherever it begins, and goes back
 * over no more than it takes next: on every text their time grows with its length alone. Others are watched.
 */
const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const ENDINGS = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const SIGNS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const BEFORE = '[^\\r\\n\\p{L}\\p{N}]?';

/** GPT-2's words, which byte-level tokenizers have unless configured otherwise. */
export const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

export const PUBLISHED_PATTERNS: ReadonlySet<string> = new Set([
  GPT2_WORDS,
  // Llama 3; Qwen 2 and 3.
  ...['\\p{N}{1,3}', '\\p{N}'].map((digits) => [CONTRACTION, `${BEFORE}\\p{L}+`, digits, SIGNS, ENDINGS].join('|')),
  // GPT-4o, and those after it.
  [
    `${BEFORE}${UPPER}*${LOWER}+${CONTRACTION}?`,
    `${BEFORE}${UPPER}+${LOWER}*${CONTRACTION}?`,
    '\\p{N}{1,3}',
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*',
    ENDINGS,
  ].join('|'),
  // DeepSeek V3's three.
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
