import { fromByteCharacters } from './byte-characters';
import { checkGrowth } from './limits';
import { createFinder, replaceMatches } from './finder';
import type { OnigurumaParser } from './oniguruma';
import { listOf, optional, partOf, required, Unsupported, type Part, typeName } from './unsupported';

/** One step from tokens back to text. */
export type Decoder = (tokens: readonly string[]) => string[];

const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** Adjacent bytes are one text; if they are not UTF-8, each of them becomes U+FFFD. */
const byteFallback: Decoder = (tokens) => {
  const result: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      result.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      result.push(...bytes.map(() => '\ufffd'));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x(\+?[0-9A-Fa-f]{1,2})>$/.exec(token)?.[1];
    if (byte?.length === 2) bytes.push(parseInt(byte, 16));
    else {
      flush();
      result.push(token);
    }
  }
  flush();
  return result;
};

const byteLevel: Decoder = (tokens) => [
  lossy.decode(Uint8Array.from(tokens.flatMap((token) => fromByteCharacters(token) ?? Array.from(Buffer.from(token))))),
];

/** Removes spaces before punctuation and English contractions. */
const cleanUp = (text: string): string =>
  text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");

function strip(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const characters = Array.from(token);
      let from = 0;
      while (from < Math.min(start, characters.length) && characters[from] === content) from++;
      let end = characters.length;
      while (characters.length - end < stop && end > 0 && characters[end - 1] === content) end--;
      return characters.slice(from, Math.max(from, end)).join('');
    });
}

const lengthOf = (tokens: readonly string[]): number => tokens.reduce((sum, { length }) => sum + length, 0);

export function createDecoder(value: unknown, parse: OnigurumaParser): Decoder | undefined {
  if (value === null || value === undefined) return undefined;
  const part = partOf(value, 'decoder');
  const type = typeName(part.type);
  const where = `decoder ${type}`;
  const text = (key: string, otherwise?: string): string =>
    otherwise === undefined
      ? required(part, key, 'string', where)
      : (optional(part, key, 'string', where) ?? otherwise);
  switch (type) {
    case 'ByteFallback':
      return byteFallback;
    case 'ByteLevel':
      return byteLevel;
    case 'Fuse':
      return (tokens) => [tokens.join('')];
    case 'Strip':
      return strip(text('content'), required(part, 'start', 'number', where), required(part, 'stop', 'number', where));
    case 'Replace': {
      const content = text('content');
      const finder = createFinder(part.pattern, where, parse);
      return (tokens) =>
        tokens.map((token) => {
          const matches = finder.find(token);
          checkGrowth(token.length, matches.length * content.length, where);
          return replaceMatches(token, matches, content);
        });
    }
    case 'Metaspace':
      return metaspace(part, where);
    case 'WordPiece': {
      const prefix = text('prefix');
      const cleans = required(part, 'cleanup', 'boolean', where);
      return (tokens) =>
        tokens.map((token, i) => {
          const joined = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
          return cleans ? cleanUp(joined) : joined;
        });
    }
    case 'BPEDecoder': {
      const suffix = text('suffix');
      if (suffix === '') throw new Unsupported(where, 'its suffix is empty');
      return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '));
    }
    case 'CTC': {
      const [pad, delimiter] = [text('pad_token'), text('word_delimiter_token')];
      const cleans = required(part, 'cleanup', 'boolean', where);
      if (pad === '' || delimiter === '') throw new Unsupported(where, 'one of its tokens is empty');
      return (tokens) =>
        tokens
          .filter((token, i) => i === 0 || token !== tokens[i - 1])
          .map((token) => token.replaceAll(pad, ''))
          .map((token) => (cleans ? cleanUp(token).replaceAll(delimiter, ' ') : token))
          .filter((token) => token !== '');
    }
    case 'Sequence': {
      const decoders = listOf(part.decoders, where).map((inner) => createDecoder(partOf(inner, where), parse)!);
      return (tokens) => {
        const length = lengthOf(tokens);
        return decoders.reduce<string[]>(
          (so, decode) => {
            const decoded = decode(so);
            checkGrowth(length, lengthOf(decoded), where);
            return decoded;
          },
          [...tokens],
        );
      };
    }
    default:
      throw new Unsupported(where, 'Graft does not know this type');
  }
}

/** The first token loses its space markers, unless none was added before the text. */
function metaspace(part: Part, where: string): Decoder {
  const replacement = required(part, 'replacement', 'string', where);
  const keepsFirst = part.prepend_scheme === 'never' || part.add_prefix_space === false;
  return (tokens) => tokens.map((token, i) => token.replaceAll(replacement, i === 0 && !keepsFirst ? '' : ' '));
}
