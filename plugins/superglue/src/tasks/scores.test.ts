import fc from 'fast-check';
import { accuracy, allRight, f1, meanF1, predictedClass, topIsRight } from './scores';
import type { ClassificationResult } from './task';

const result = (label: number, probabilities: number[], group?: string): ClassificationResult => ({
  example: { id: 'x', parts: [], label, group },
  probabilities,
});
const resultOf = (label: number, prediction: number, classes = 3, group?: string): ClassificationResult =>
  result(
    label,
    Array.from({ length: classes }, (_, i) => (i === prediction ? 1 : 0)),
    group,
  );

const sets = fc.array(fc.record({ label: fc.nat(2), prediction: fc.nat(2), group: fc.nat(3) }), { minLength: 1 });

test('the first of several equally probable classes is predicted', () => {
  expect(predictedClass(result(0, [0.2, 0.4, 0.4]))).toBe(1);
});

test('accuracy and F1 agree with their definitions', () => {
  fc.assert(
    fc.property(sets, (set) => {
      const results = set.map(({ label, prediction }) => resultOf(label, prediction));
      const right = set.filter(({ label, prediction }) => label === prediction).length;
      expect(accuracy(results)).toBeCloseTo(right / set.length, 12);
      const byClass = [0, 1, 2].map((positive) => {
        const both = set.filter(({ label, prediction }) => label === positive && prediction === positive).length;
        const precision = both / set.filter(({ prediction }) => prediction === positive).length;
        const recall = both / set.filter(({ label }) => label === positive).length;
        return both === 0 ? 0 : (2 * precision * recall) / (precision + recall);
      });
      byClass.forEach((expected, positive) => expect(f1(results, positive)).toBeCloseTo(expected, 12));
      expect(meanF1(results, 3)).toBeCloseTo((byClass[0] + byClass[1] + byClass[2]) / 3, 12);
    }),
  );
});

test('a question counts when all of its answers are right', () => {
  fc.assert(
    fc.property(sets, (set) => {
      const results = set.map(({ label, prediction, group }) => resultOf(label, prediction, 3, String(group)));
      const groups = [...new Set(set.map(({ group }) => group))];
      const whole = groups.filter((group) => set.every((x) => x.group !== group || x.label === x.prediction));
      expect(allRight(results)).toBeCloseTo(whole.length / groups.length, 12);
    }),
  );
});

test('a query counts when its most probable entity is an answer', () => {
  const results = [
    result(0, [0.6, 0.4], 'a'),
    result(1, [0.5, 0.5], 'a'),
    result(1, [0.9, 0.1], 'b'),
    result(0, [0.8, 0.2], 'b'),
    result(0, [0.5, 0.5], 'c'),
    result(1, [0.5, 0.5], 'c'),
  ];
  expect(topIsRight(results)).toBeCloseTo(1 / 3, 12);
});

test('a prediction of NaN is wrong, whatever the class', () => {
  const broken = [result(0, [NaN, NaN], 'a'), result(1, [NaN, NaN], 'a')];
  expect(predictedClass(broken[0])).toBe(-1);
  expect([accuracy(broken), f1(broken, 0), f1(broken, 1), topIsRight(broken)]).toEqual([0, 0, 0, 0]);
});

test('an empty set has no score', () => {
  for (const score of [accuracy, allRight, topIsRight]) expect(() => score([])).toThrow(/no predictions/);
});
