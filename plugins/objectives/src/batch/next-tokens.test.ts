import fc from 'fast-check';
import { nextTokens } from './next-tokens';

const BOS = 2;
/** Texts without a start token, or with one at their beginning. */
const text = fc
  .tuple(fc.boolean(), fc.array(fc.integer({ min: 3, max: 40 }), { minLength: 1, maxLength: 7 }))
  .map(([begins, tokens]) => (begins ? [BOS, ...tokens] : tokens));
const row = fc.tuple(fc.array(text, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 3 }));

interface Predicted {
  /** What is read up to a label, the label, and its weight. */
  readonly read: number[];
  readonly label: number;
  readonly weight: number;
}

function predictions({ inputs, labels, segments, weights }: ReturnType<typeof nextTokens>, of = 1): Predicted[] {
  const positions = [...inputs.keys()].filter((i) => (segments?.[i] ?? 1) === of);
  return positions.flatMap((place) =>
    labels[place] === -100
      ? []
      : [
          {
            read: positions.filter((i) => i <= place).map((i) => inputs[i]),
            label: labels[place],
            weight: weights![place],
          },
        ],
  );
}

test.each([BOS, undefined])('each segment of a row is read and predicted as it is alone (start token: %s)', (bos) => {
  fc.assert(
    fc.property(row, ([texts, filling]) => {
      const tokens = [...texts.flat(), ...Array<number>(filling).fill(0)];
      const segments = [...texts.flatMap((one, i) => one.map(() => i + 1)), ...Array<number>(filling).fill(0)];
      const weights = tokens.map((_, i) => i + 1);
      const whole = nextTokens({ tokens, segments, weights }, bos);
      let from = 0;
      texts.forEach((one, i) => {
        const alone = nextTokens({ tokens: one, weights: weights.slice(from, from + one.length) }, bos);
        expect(predictions(whole, i + 1)).toEqual(predictions(alone));
        from += one.length;
      });
      expect(predictions(whole, 0)).toEqual([]);
      expect(whole.inputs).toHaveLength(bos === undefined ? tokens.length - 1 : tokens.length);
    }),
  );
});

test('each token except a start token is predicted once, from all tokens before it', () => {
  fc.assert(
    fc.property(text, (tokens) => {
      const weights = tokens.map((_, i) => i + 1);
      const body = tokens.filter((id) => id !== BOS);
      expect(predictions(nextTokens({ tokens, weights }, BOS))).toEqual(
        body.map((label, i) => ({
          read: [BOS, ...body.slice(0, i)],
          label,
          weight: i + 1 + tokens.length - body.length,
        })),
      );
    }),
  );
});
