import { toByteCharacters } from './byte-characters';
import { bertAccents, bertRemoved, firstOf, isWhite, lastOf, normalFormUnknown, strippedAccents } from './characters';
import { checkGrowth } from './limits';
import { createFinder, replaceMatches } from './finder';
import type { OnigurumaParser } from './oniguruma';
import type { Normalizer, Sides } from './normalizer';
import { PrecompiledMap } from './precompiled';
import { listOf, optional, partOf, required, Unsupported, type Part, typeName } from './unsupported';

/** Each character separately. */
function byCharacter(map: (character: string) => string, dropsCharacters: boolean): Normalizer {
  return {
    dropsCharacters,
    normalize: (text) => {
      let result = '';
      for (const character of text) result += map(character);
      return result;
    },
    sides: (before, after) => {
      const [left, right] = [map(before), map(after)];
      return left === '' || right === '' ? undefined : [lastOf(left), firstOf(right)];
    },
  };
}

/** Characters that do not interact with their neighbours in any normal form: ASCII, ideographs, kana, syllables. */
const STEADY =
  /[\0-\x7f\u00a0-\u02ff\u0400-\u0482\u2010-\u2027\u3000-\u3029\u3030-\u3098\u309b-\u30ff\u3400-\u9fff\uff01-\uff60]/u;

type Form = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

function normalForm(form: Form): Normalizer {
  return {
    dropsCharacters: false,
    normalize: (text) => toForm(text, form),
    sides: (before, after) =>
      STEADY.test(before) && STEADY.test(after)
        ? [lastOf(toForm(before, form)), firstOf(toForm(after, form))]
        : undefined,
  };
}

/** Characters that the published library does not know are beyond these blocks. */
const MAY_BE_UNKNOWN = /[^\0-\u07af\u2000-\u206f\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3]/u;

/** Characters that the published library does not know stay unchanged and separate the text on both sides. */
function toForm(text: string, form: Form): string {
  if (!MAY_BE_UNKNOWN.test(text)) return text.normalize(form);
  let result = '';
  let stretch = '';
  for (const character of text) {
    if (!normalFormUnknown.has(character.codePointAt(0)!)) {
      stretch += character;
      continue;
    }
    result += stretch.normalize(form) + character;
    stretch = '';
  }
  return result + stretch.normalize(form);
}

/** Without the rule for the sigma at the end of a word. */
const lowercase = byCharacter((character) => character.toLowerCase(), false);

const isIdeograph = (code: number): boolean =>
  (code >= 0x4e00 && code <= 0x9fff) ||
  (code >= 0x3400 && code <= 0x4dbf) ||
  (code >= 0x20000 && code <= 0x2a6df) ||
  (code >= 0x2a700 && code <= 0x2b81f) ||
  (code >= 0x2b920 && code <= 0x2ceaf) ||
  (code >= 0xf900 && code <= 0xfaff) ||
  (code >= 0x2f800 && code <= 0x2fa1f);

function bert(part: Part): Normalizer {
  const where = 'normalizer BertNormalizer';
  const flag = (key: string): boolean => required(part, key, 'boolean', where);
  const lowers = flag('lowercase');
  const parts: Normalizer[] = [];
  if (flag('clean_text'))
    parts.push(
      byCharacter((character) => {
        if (bertRemoved.has(character.codePointAt(0)!)) return '';
        return isWhite(character) ? ' ' : character;
      }, true),
    );
  if (flag('handle_chinese_chars'))
    parts.push(
      byCharacter((character) => (isIdeograph(character.codePointAt(0)!) ? ` ${character} ` : character), false),
    );
  if (optional(part, 'strip_accents', 'boolean', where) ?? lowers)
    parts.push(
      normalForm('NFD'),
      byCharacter((character) => (bertAccents.has(character.codePointAt(0)!) ? '' : character), true),
    );
  if (lowers) parts.push(lowercase);
  return sequence(parts);
}

function sequence(parts: readonly Normalizer[]): Normalizer {
  return {
    dropsCharacters: parts.some(({ dropsCharacters }) => dropsCharacters),
    normalize: (text) =>
      parts.reduce((so, part) => {
        const normal = part.normalize(so);
        checkGrowth(text.length, normal.length, 'normalizer Sequence');
        return normal;
      }, text),
    sides: (before, after) =>
      parts.reduce<Sides | undefined>((sides, part) => sides && part.sides(...sides), [before, after]),
  };
}

function replace(part: Part, parse: OnigurumaParser): Normalizer {
  const where = 'normalizer Replace';
  const content = required(part, 'content', 'string', where);
  const finder = createFinder(part.pattern, where, parse);
  return {
    dropsCharacters: content === '',
    normalize: (text) => {
      const matches = finder.find(text);
      checkGrowth(text.length, matches.length * content.length, where);
      return replaceMatches(text, matches, content);
    },
    sides: (before, after) => {
      if (!finder.separates(before, after)) return undefined;
      const isWhole = (character: string): boolean => finder.takes(character);
      const left = finder.endsWith(before) ? (isWhole(before) ? content : '') : before;
      const right = finder.beginsWith(after) ? (isWhole(after) ? content : '') : after;
      return left === '' || right === '' ? undefined : [lastOf(left), firstOf(right)];
    },
  };
}

/** How much longer a replacement may be than its text without counting the result first. */
const MAX_PLAIN_GROWTH = 8;

/** A single text is replaced faster by JavaScript itself. */
function replaceText(text: string, content: string, general: Normalizer): Normalizer {
  // A longer result is counted before it is built.
  if (content.length > MAX_PLAIN_GROWTH * text.length) return general;
  return { ...general, normalize: (given) => given.replaceAll(text, () => content) };
}

function strip(left: boolean, right: boolean): Normalizer {
  return {
    dropsCharacters: true,
    normalize: (text) => {
      let [from, end] = [0, text.length];
      if (left) while (from < end && isWhite(text[from])) from++;
      if (right) while (end > from && isWhite(text[end - 1])) end--;
      return text.slice(from, end);
    },
    sides: (before, after) => (isWhite(before) || isWhite(after) ? undefined : [before, after]),
  };
}

const isNmtRemoved = (code: number): boolean =>
  (code >= 1 && code <= 8) || code === 0x0b || (code >= 0x0e && code <= 0x1f) || [0x7f, 0x8f, 0x9f].includes(code);
const NMT_SPACE = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/;

export function createNormalizer(value: unknown, parse: OnigurumaParser): Normalizer | undefined {
  if (value === null || value === undefined) return undefined;
  const part = partOf(value, 'normalizer');
  const type = typeName(part.type);
  const where = `normalizer ${type}`;
  switch (type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return normalForm(type);
    case 'Lowercase':
      return lowercase;
    case 'StripAccents':
      return byCharacter((character) => (strippedAccents.has(character.codePointAt(0)!) ? '' : character), true);
    case 'Strip':
      return strip(required(part, 'strip_left', 'boolean', where), required(part, 'strip_right', 'boolean', where));
    case 'BertNormalizer':
      return bert(part);
    case 'Nmt':
      return byCharacter(
        (character) => (isNmtRemoved(character.charCodeAt(0)) ? '' : NMT_SPACE.test(character) ? ' ' : character),
        true,
      );
    case 'ByteLevel':
      return byCharacter(toByteCharacters, false);
    case 'Replace': {
      const general = replace(part, parse);
      const { String: text } = part.pattern as { String?: string };
      return text === undefined ? general : replaceText(text, part.content as string, general);
    }
    case 'Prepend': {
      const prefix = required(part, 'prepend', 'string', where);
      return {
        dropsCharacters: false,
        normalize: (text) => (text === '' ? text : prefix + text),
        // The part after the border would get it too.
        sides: () => undefined,
      };
    }
    case 'Precompiled':
      return new PrecompiledMap(required(part, 'precompiled_charsmap', 'string', where));
    case 'Sequence':
      return sequence(
        listOf(part.normalizers, where).map((inner) => {
          const normalizer = createNormalizer(inner, parse);
          if (!normalizer) throw new Unsupported(where, 'one of its members is empty');
          return normalizer;
        }),
      );
    default:
      throw new Unsupported(where, 'Graft does not know this type');
  }
}
