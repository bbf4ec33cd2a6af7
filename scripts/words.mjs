// Words that the project's English avoids (CONTRIBUTING.md, "English"), and what to write instead.
//   node scripts/words.mjs              checks markdown and the comments of YAML files; `npm run lint` runs it
//   import { wordRule } from './words.mjs'   checks comments and test names as an ESLint rule
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `except` matches where the word is right: it is tried on the text around the word, which `§` replaces. */
export const WORDS = [
  {
    word: /\b(?:is|are|was|were) no\b/,
    better: '"is not a", "is not"',
    except: /\bthere §|§ (?:longer|more|less|fewer|better|worse|larger|smaller|later|earlier|faster|slower)\b/i,
  },
  { word: /\banew\b/, better: '"again", "from scratch"' },
  {
    word: /\bso many\b|\bso-many(?:th)?\b/,
    better: '"that many", "n", "every n-th"',
    except: /§ [^.;:]{1,60}\bthat\b/,
  },
  { word: /\btold\b/, better: '"reported", "printed", "distinguished"' },
  {
    word: /\bmade[- ](?:rows?|tasks?|data|datasets?|benchmarks?|examples?|texts?|questions?|files|sets?)\b/,
    better: '"synthetic"',
    except: /\b(?:is|are|was|were|be|been|has|have|had|it|they|that|which|who) §|-§/i,
  },
  {
    word: /\brooms?\b/,
    better: '"package" (of code), "space"',
    except: /\b(?:has|have|had|enough|is|no|more|make|makes|making|leaves?) §|§ (?:for|left|on disk)\b/i,
  },
  { word: /\bhouses?\b/, better: '"project", "package"' },
  { word: /\bdoors?\b/, better: '"entry point", "interface"' },
  { word: /\bnought\b/, better: '"0", "zero"' },
];

/** Folders whose texts are data, not prose. */
const SKIPPED = ['test/fuzz/corpus/'];

/** The avoided words in `text`: their offsets, and what to write. Line breaks in `text` count as blanks. */
export function findWords(text) {
  const found = [];
  for (const { word, better, except } of WORDS) {
    for (const match of text.matchAll(new RegExp(word.source.replaceAll(' ', '\\s+'), 'gi'))) {
      const before = text.slice(Math.max(0, match.index - 80), match.index);
      const after = text.slice(match.index + match[0].length, match.index + match[0].length + 80);
      if (except?.test(`${before}§${after}`.replace(/\s+/g, ' '))) continue;
      found.push({ index: match.index, word: match[0].replace(/\s+/g, ' '), better });
    }
  }
  return found.sort((a, b) => a.index - b.index);
}

const sentence = ({ word, better }) => `"${word}": write ${better}.`;

/** `text` with blanks in place of everything but prose (code and addresses; in YAML all but comments): offsets stay. */
function proseOf(path, text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  if (!path.endsWith('.md')) return text.replace(/^[^#\n]*|(?<=\n)[^#\n]*/g, blank).replaceAll('#', ' ');
  return text
    .replace(/^( *)(```|~~~)[\s\S]*?^\1\2/gm, blank)
    .replace(/(`+)(?:(?!\1)[\s\S])+?\1/g, blank)
    .replace(/\]\([^)]*\)/g, blank);
}

function checkFiles(root) {
  const { stdout } = spawnSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md', '*.yaml', '*.yml'],
    { cwd: root, encoding: 'utf8' },
  );
  const paths = stdout.split('\0').filter((path) => path !== '' && !SKIPPED.some((folder) => path.startsWith(folder)));
  let count = 0;
  for (const path of paths) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const found of findWords(proseOf(path, text))) {
      const line = text.slice(0, found.index).split('\n').length;
      console.error(`${path}:${line}: ${sentence(found)}`);
      count++;
    }
  }
  return count;
}

const TEST = /^(?:it|test|describe)$/;

/** The function that a call begins with: `it` for `it.each(ROWS)('…')`. */
function calledName(node) {
  let called = node.callee;
  while (called.type !== 'Identifier') {
    const inner = called.callee ?? called.object ?? called.tag;
    if (inner === undefined) return '';
    called = inner;
  }
  return called.name;
}

/** Options: `errors: true` checks the texts in `new …Error(…)` as well. */
export const wordRule = {
  meta: {
    type: 'suggestion',
    schema: [{ type: 'object', properties: { errors: { type: 'boolean' } }, additionalProperties: false }],
  },
  create(context) {
    const { sourceCode } = context;
    const check = (start, text) => {
      for (const found of findWords(text)) {
        context.report({ loc: sourceCode.getLocFromIndex(start + found.index), message: sentence(found) });
      }
    };
    const checkText = (node) => {
      if (node?.type === 'Literal' && typeof node.value === 'string') check(node.range[0], node.raw);
      else if (node?.type === 'TemplateLiteral')
        for (const part of node.quasis) check(part.range[0], sourceCode.getText(part));
      else if (node?.type === 'BinaryExpression') [node.left, node.right].forEach(checkText);
      else if (node?.type === 'ConditionalExpression') [node.consequent, node.alternate].forEach(checkText);
      else if (node?.type === 'ObjectExpression') for (const { value } of node.properties) checkText(value);
    };
    return {
      Program() {
        // Signs that begin a line of a comment become blanks, so that words meet across lines.
        for (const { range } of mergeLines(sourceCode.getAllComments(), sourceCode.text)) {
          const text = sourceCode.text.slice(...range);
          check(
            range[0],
            text.replace(/^\s*(?:\/\/|\/?\*+)|`[^`\n]*`/gm, (sign) => sign.replace(/[^\n]/g, ' ')),
          );
        }
      },
      CallExpression(node) {
        if (TEST.test(calledName(node))) checkText(node.arguments[0]);
      },
      NewExpression(node) {
        if (context.options[0]?.errors && /Error$/.test(node.callee.name ?? '')) node.arguments.forEach(checkText);
      },
    };
  },
};

/** Comments of one line each that follow each other are one text. */
function mergeLines(comments, text) {
  const merged = [];
  for (const comment of comments) {
    const last = merged.at(-1);
    const follows =
      last?.type === 'Line' &&
      comment.type === 'Line' &&
      /^\n[ \t]*$/.test(text.slice(last.range[1], comment.range[0]));
    if (follows) last.range = [last.range[0], comment.range[1]];
    else merged.push({ type: comment.type, range: [...comment.range] });
  }
  return merged;
}

if (resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const count = checkFiles(join(import.meta.dirname, '..'));
  if (count > 0) {
    console.error(
      `${count} ${count === 1 ? 'place' : 'places'} to rewrite; scripts/words.mjs lists the words, and where they are right.`,
    );
    process.exitCode = 1;
  }
}
