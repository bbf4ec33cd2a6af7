/** Equality of answers in mathematics: as math_verify decides it, except in the listed pairs. */
import { equivalentMath } from '@graft/benchmarks';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { DIFFERENCES, PAIRS } from './math-pairs';

type Pair = readonly [right: string, answer: string];

/** Other pairs of texts for another number. */
const SEED = Number(process.env.GRAFT_PEERS_SEED ?? '1');
const DIFFERENT_PAIRS = 300;
/** math_verify takes them to its limit of time. */
const isHostile = (pair: Pair): boolean => pair.some((text) => text.includes('9^{9') || text.includes('2023'));

describeIf(hasModules('math_verify'), 'math-verify is not installed; `npm run test:peers` does it', 'answers of mathematics', () => {
  const folder = temporaryFolder();

  function published(pairs: readonly Pair[]): readonly boolean[] {
    const [input, output] = [join(folder, 'pairs.json'), join(folder, 'answers.json')];
    writeFileSync(input, JSON.stringify(pairs));
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'math_answers.py'), input, output], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    return JSON.parse(readFileSync(output, 'utf8')) as boolean[];
  }

  test('pairs in many notations are judged as by math_verify', () => {
    const answers = published(PAIRS);
    expect(PAIRS.map((pair) => [...pair, equivalentMath(...pair)])).toEqual(PAIRS.map((pair, i) => [...pair, answers[i]]));
  });

  test.each(DIFFERENCES)('a difference that is meant: $reason', ({ equivalent, pairs }) => {
    expect(published(pairs)).toEqual(pairs.map(() => !equivalent));
    expect(pairs.map((pair) => equivalentMath(...pair))).toEqual(pairs.map(() => equivalent));
  });

  test('of all pairs of these texts, math_verify finds those equal that Graft does, and no others', () => {
    const listed = new Set(DIFFERENCES.flatMap(({ pairs }) => pairs.flat()));
    const texts = [...new Set(PAIRS.flat())].filter((text) => !listed.has(text));
    const all = texts
      .flatMap((right) => texts.map((answer): Pair => [right, answer]))
      .filter((pair) => pair[0] !== pair[1] && !isHostile(pair));
    const equal = all.filter((pair) => equivalentMath(...pair));
    const others = all.filter((pair) => !equal.includes(pair));
    let state = SEED + 10;
    const drawn = Array.from({ length: DIFFERENT_PAIRS }, () => others[(state = (state * 48271) % 0x7fffffff) % others.length]);
    const answers = published([...equal, ...drawn]);
    expect(equal.filter((_, i) => !answers[i])).toEqual([]);
    expect(drawn.filter((_, i) => answers[equal.length + i])).toEqual([]);
    expect(equal.length).toBeGreaterThan(300);
  });
});
