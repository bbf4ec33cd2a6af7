import type {
  OnigurumaAst,
  AlternativeNode,
  CharacterSetNode,
  CharacterClassNode,
  Node,
} from 'oniguruma-parser/parser';
import { maskCase, maskYoung } from './characters';
import { both, either, ONE_WAY, repeated, type Cost } from './pattern-cost';
import { Unsupported } from './unsupported';

/** oniguruma-parser is an ES module. */
export type OnigurumaParser = (pattern: string) => OnigurumaAst;
export const loadOniguruma = async (): Promise<OnigurumaParser> => (await import('oniguruma-parser/parser')).parse;

/** Classes of characters, as the contents of a class in JavaScript. */
const WORD_IN_CLASS = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}';
const SHORTHANDS: Readonly<Record<string, string>> = {
  digit: '\\p{Nd}',
  space: '\\p{White_Space}',
  hex: '0-9A-Fa-f',
};
const POSIX: Readonly<Record<string, string>> = {
  alpha: '\\p{Alphabetic}',
  alnum: '\\p{Alphabetic}\\p{Nd}',
  digit: '\\p{Nd}',
  lower: '\\p{Lowercase}',
  upper: '\\p{Uppercase}',
  space: '\\p{White_Space}',
  punct: '\\p{P}\\p{S}',
};
const CATEGORIES = 'L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Cf';
const SCRIPTS =
  'Han Hiragana Katakana Hangul Latin Cyrillic Greek Arabic Hebrew Thai Devanagari Bengali Tamil Telugu Armenian Georgian Khmer Lao Tibetan';
/** Names as the pattern may have them, without case, spaces and underscores, and their names in JavaScript. */
const PROPERTIES = new Map([
  ...CATEGORIES.split(' ').map((name): [string, string] => [name.toLowerCase(), name]),
  ...SCRIPTS.split(' ').map((name): [string, string] => [name.toLowerCase(), `Script=${name}`]),
  ['letter', 'L'],
  ['number', 'N'],
  ['punctuation', 'P'],
  ['symbol', 'S'],
  ['mark', 'M'],
  ['separator', 'Z'],
]);

const escaped = (codePoint: number): string => `\\u{${codePoint.toString(16)}}`;

/** One step of a match that consumes a character, as a test of that character. */
class Step {
  private readonly expression: RegExp;
  constructor(readonly source: string) {
    this.expression = new RegExp(`^(?:${source})$`, 'u');
  }
  takes(character: string): boolean {
    return this.expression.test(maskCase(maskYoung(character)));
  }
}

/** The characters that a part of a pattern can begin and end with. */
interface Ends {
  readonly source: string;
  readonly first: readonly Step[];
  readonly last: readonly Step[];
  readonly canBeEmpty: boolean;
  readonly cost: Cost;
}

const NOTHING: Ends = { source: '', first: [], last: [], canBeEmpty: true, cost: ONE_WAY };

/** Pairs of steps that may follow each other; published patterns have some hundreds. */
const MAX_PAIRS = 50_000;
/** Largest counted repetition; published patterns have `{1,3}`. */
const MAX_REPETITIONS = 1000;
/**
 * A pattern of Oniguruma, the syntax of the published library's `Regex`, as an expression of JavaScript. Patterns on
 * which the two do not agree are refused. Also knows which two consecutive characters a match can consume, or look at.
 */
export class Translation {
  readonly pairs: (readonly [Step, Step])[] = [];
  looksAround = false;
  readonly whole: Ends;

  constructor(
    ast: OnigurumaAst,
    private readonly where: string,
  ) {
    if (Object.values(ast.flags).some((flag) => flag === true)) this.refuse('flags');
    this.whole = this.alternatives(ast.body);
  }

  private refuse(what: string): never {
    throw new Unsupported(this.where, `its pattern has ${what}, which Graft cannot follow exactly`);
  }

  private alternatives(alternatives: readonly AlternativeNode[], ignoresCase = false): Ends {
    const all = alternatives.map(({ body }) =>
      body.reduce<Ends>((before, node) => this.join(before, this.node(node, ignoresCase)), NOTHING),
    );
    return {
      source: all.map(({ source }) => source).join('|'),
      first: all.flatMap(({ first }) => first),
      last: all.flatMap(({ last }) => last),
      canBeEmpty: all.some(({ canBeEmpty }) => canBeEmpty),
      cost: either(all.map(({ cost }) => cost)),
    };
  }

  private join(before: Ends, after: Ends): Ends {
    this.pair(before.last, after.first);
    return {
      source: before.source + after.source,
      first: before.canBeEmpty ? [...before.first, ...after.first] : before.first,
      last: after.canBeEmpty ? [...before.last, ...after.last] : after.last,
      canBeEmpty: before.canBeEmpty && after.canBeEmpty,
      cost: both(before.cost, after.cost),
    };
  }

  private pair(before: readonly Step[], after: readonly Step[]): void {
    if (this.pairs.length + before.length * after.length > MAX_PAIRS) this.refuse('too many alternatives in a row');
    for (const one of before) for (const other of after) this.pairs.push([one, other]);
  }

  private node(node: Node, ignoresCase: boolean): Ends {
    switch (node.type) {
      case 'Character':
        return this.step(ignoresCase ? this.anyCase(node.value) : escaped(node.value));
      case 'CharacterSet':
        if (ignoresCase) this.refuse('a class within (?i)');
        return this.step(this.set(node));
      case 'CharacterClass':
        if (ignoresCase) this.refuse('a class within (?i)');
        return this.step(this.characterClass(node));
      case 'Group': {
        if (node.atomic) this.refuse('an atomic group');
        const { enable = {}, disable = {} } = node.flags ?? {};
        if (Object.keys(disable).length > 0 || Object.keys(enable).some((flag) => flag !== 'ignoreCase'))
          this.refuse('flags other than (?i)');
        return this.grouped(this.alternatives(node.body, ignoresCase || enable.ignoreCase === true));
      }
      case 'CapturingGroup':
        return this.grouped(this.alternatives(node.body, ignoresCase));
      case 'LookaroundAssertion': {
        const inner = this.alternatives(node.body, ignoresCase);
        if (node.kind === 'lookbehind') {
          this.looksAround = true;
          return { ...NOTHING, cost: inner.cost, source: `(?<${node.negate ? '!' : '='}${inner.source})` };
        }
        return {
          ...NOTHING,
          first: inner.first,
          cost: inner.cost,
          source: `(?${node.negate ? '!' : '='}${inner.source})`,
        };
      }
      case 'Assertion':
        this.looksAround = true;
        if (node.kind === 'line_end') return { ...NOTHING, source: '(?![^\\n])' };
        if (node.kind === 'string_end') return { ...NOTHING, source: '(?![^])' };
        if (node.kind === 'string_start') return { ...NOTHING, source: '(?<![^])' };
        return this.refuse(node.kind === 'word_boundary' ? '\\b' : node.kind === 'line_start' ? '^' : `a ${node.kind}`);
      case 'Quantifier': {
        const inner = this.node(node.body as Node, ignoresCase);
        // After an empty match JavaScript backtracks, and Oniguruma continues.
        if (inner.canBeEmpty) return this.refuse('a repetition of what may be empty');
        if (node.max > 1) this.pair(inner.last, inner.first);
        const { min, max } = node;
        if (min > MAX_REPETITIONS || (max !== Infinity && max > MAX_REPETITIONS))
          this.refuse(`a repetition of more than ${MAX_REPETITIONS}`);
        const cost = repeated(inner.cost, min, max);
        const times = `{${min},${max === Infinity ? '' : max}}`;
        const canBeEmpty = min === 0;
        if (node.kind !== 'possessive')
          return {
            ...inner,
            canBeEmpty,
            cost,
            source: `(?:${inner.source})${times}${node.kind === 'lazy' ? '?' : ''}`,
          };
        if (inner.first.length !== 1 || inner.first[0] !== inner.last[0] || max !== Infinity)
          return this.refuse('a possessive quantifier over more than a character');
        // It consumes all characters of the class: none follows.
        return { ...inner, canBeEmpty, cost, source: `(?:${inner.source})${times}(?!${inner.source})` };
      }
      default:
        return this.refuse(`a ${node.type}`);
    }
  }

  private grouped(ends: Ends): Ends {
    return { ...ends, source: `(?:${ends.source})` };
  }

  private step(source: string): Ends {
    const step = new Step(source);
    return { source, first: [step], last: [step], canBeEmpty: false, cost: ONE_WAY };
  }

  /** Oniguruma folds case as Unicode does: the long s is an s, the Kelvin sign a k. */
  private anyCase(codePoint: number): string {
    const character = String.fromCodePoint(codePoint);
    if (!/[a-z]/i.test(character)) {
      if (/[\0-\x7f]/.test(character)) return escaped(codePoint);
      return this.refuse(`"${character}" within (?i)`);
    }
    const more = { s: '\\u017f', k: '\\u212a' }[character.toLowerCase()] ?? '';
    return `[${character.toLowerCase()}${character.toUpperCase()}${more}]`;
  }

  private set(node: CharacterSetNode): string {
    if (node.kind === 'dot') return '[^\\n]';
    if (node.kind === 'any') return '[^]';
    // Outside of a class, word characters include a few more numbers.
    if (node.kind === 'word') return `[${node.negate ? '^' : ''}${WORD_IN_CLASS}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be]`;
    return `[${node.negate ? '^' : ''}${this.inClass(node)}]`;
  }

  private inClass(node: CharacterSetNode): string {
    if (node.kind === 'word') return WORD_IN_CLASS;
    const given = 'value' in node && node.value !== undefined ? node.value : node.kind;
    const name = given.toLowerCase().replace(/[\s_-]/g, '');
    const source =
      node.kind === 'posix'
        ? POSIX[name]
        : node.kind === 'property'
          ? PROPERTIES.has(name)
            ? `\\p{${PROPERTIES.get(name)}}`
            : undefined
          : SHORTHANDS[node.kind];
    return source ?? this.refuse(`the class ${given}`);
  }

  private characterClass(node: CharacterClassNode): string {
    if (node.kind !== 'union') this.refuse('an intersection of classes');
    return `[${node.negate ? '^' : ''}${this.members(node)}]`;
  }

  private members(node: CharacterClassNode): string {
    return node.body
      .map((member) => {
        if (member.type === 'Character') return escaped(member.value);
        if (member.type === 'CharacterClassRange') return `${escaped(member.min.value)}-${escaped(member.max.value)}`;
        if (member.type === 'CharacterSet') {
          if (!('negate' in member) || !member.negate) return this.inClass(member);
          const inner = this.inClass(member);
          const property = /^\\p(\{[^}]*\})$/.exec(inner);
          return property ? `\\P${property[1]}` : this.refuse('a negated class within a class');
        }
        if (member.kind === 'union' && !member.negate) return this.members(member);
        return this.refuse('a negated class within a class');
      })
      .join('');
  }
}
