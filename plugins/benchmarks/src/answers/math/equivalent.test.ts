import { equivalentMath } from './equivalent';

/** A few of each kind; test/peers/math-pairs.ts compares some hundred with math_verify. */
const EQUAL = {
  'fractions, decimals, mixed numbers and percentages': String.raw`
    \frac12 ;; 0.5
    \frac12 ;; \dfrac{2}{4}
    2\frac{3}{4} ;; \frac{11}{4}
    50\% ;; 0.5
    50\% ;; 50
    0.1\overline{6} ;; \frac16
    6.5 ;; 6 1/2
    -\frac{13}{2} ;; -6 1/2
    3 ;; 2\frac{3}{2}
    10,080 ;; 10{,}080
    10080 ;; 10 080
    1000000 ;; 1{,}000{,}000
    0.125 ;; 0{,}125
    \frac18 ;; 0,\!125
    0.125 ;; 0,125
    \frac13 ;; 0.333333`,
  'terms in another order or form': String.raw`
    x^2-y^2 ;; (x-y)(x+y)
    \frac{x+1}{x-1} ;; 1+\frac{2}{x-1}
    \sin 2x ;; 2\sin x\cos x
    \frac{1}{\sqrt{2}} ;; \frac{\sqrt{2}}{2}
    \sqrt{3+2\sqrt2} ;; 1+\sqrt2
    \tan 100^\circ + 4 \sin 100^\circ ;; -\sqrt3
    \frac{1}{1+i} ;; \frac{1-i}{2}
    \binom{5}{2} ;; \frac{5!}{2!3!}
    \log_2 8 ;; 3
    \lfloor 3.7\rfloor ;; |{-3}|
    2^{2023} ;; 2\cdot 2^{2022}
    1024 ;; 2^10
    x^{12} ;; x^12
    \sin^{10} 5 ;; \sin^10 5
    \frac59 ;; \frac 5 9
    \log_2 128 ;; 7`,
  'lists, sets, pairs, intervals and matrices': String.raw`
    1,2,3 ;; 3, 2 \text{ and } 1
    1\pm\sqrt{19} ;; 1-\sqrt{19},1+\sqrt{19}
    \{1,1,2\} ;; \{2,1\}
    \left(3,\frac{\pi}{2}\right) ;; (3,\pi/2)
    (-\infty,2]\cup[5,\infty) ;; [5,\infty)\cup(-\infty,2]
    \begin{pmatrix}1/2&0\\0&1\end{pmatrix} ;; \begin{bmatrix}0.5 & 0 \\ 0 & 1\end{bmatrix}`,
  'equations and inequalities': String.raw`
    5 ;; x=5
    f(x)=x^2 ;; x\cdot x
    5x-7y+4=0 ;; -10x+14y-8=0
    x>3 ;; 3<x
    3\le x\le 5 ;; x\in[3,5]`,
  'units, words and choices': String.raw`
    5\text{ cm} ;; 5
    12 \mathrm{~cm}^2 ;; 12
    90^\circ ;; 90\text{ degrees}
    5\text{ million} ;; 5 million
    12 ;; 12\text{ cups of flour}
    12 ;; 12 cm
    3 ;; 3 times
    \$18.90 ;; 18.9
    \text{Evelyn} ;; evelyn
    \text{(B)} ;; B`,
};

const DIFFERENT = {
  'numbers that are near': String.raw`
    \pi ;; \frac{22}{7}
    \frac13 ;; 0.3333
    2^{2023} ;; 2^{2023}-1
    100000000000000000000000000000000001 ;; 10^{35}
    10^{60} ;; 1000000000000000000000000000000000000000000000000000000000001
    e^{200}+1 ;; e^{200}
    -\frac{24}{25} ;; \frac{24}{25}`,
  'numbers in a notation that looks like theirs': String.raw`
    0 ;; 2^10
    20 ;; 10^12
    30 ;; 5^16
    2x ;; x^12
    125 ;; 0{,}125
    125 ;; 0,125
    \frac{61}{2} ;; 6 1/2
    61/2 ;; 6 1/2
    12 ;; 1 2
    12\pi ;; 1 2\pi
    3.5 ;; 2\frac{3}{2}`,
  'terms that are equal in places': String.raw`
    \sqrt{x^2} ;; x
    \frac{a}{b} ;; \frac{b}{a}
    x^2+1 ;; x^2-1
    a_1 ;; a_2`,
  'other lists, intervals and relations': String.raw`
    (1,2) ;; (2,1)
    (1,2) ;; \{1,2\}
    [2,5) ;; [2,5]
    1,2,3 ;; 1,2
    1\pm\sqrt{19} ;; 1+\sqrt{19}
    1,2 ;; 1<x<2
    \begin{pmatrix}1&2\\3&4\end{pmatrix} ;; \begin{pmatrix}1&3\\2&4\end{pmatrix}
    x=5 ;; y=5
    x>3 ;; x\ge3
    2x-y=0 ;; 2x+y=0`,
  'other units and words': String.raw`
    5\text{ cm} ;; 5\text{ m}
    2516_8 ;; 2516_9
    5 ;; 5 million
    5 ;; 5\text{ million}
    12 ;; 12 dozen
    3 ;; 3 squared
    3 ;; 3 plus x
    3 ;; 3 to four
    3 ;; 3\text{ hundred}
    3 ;; 3\text{ hundredths}
    3 ;; 3 halves
    1/2 ;; 1/2 of x
    2 ;; 2 xy
    2 ;; 2 xyz
    \text{yes} ;; \text{no}
    \text{(B)} ;; \text{(C)}
    5 ;;`,
};

const pairsOf = (lines: string): string[][] =>
  lines
    .trim()
    .split('\n')
    .map((line) => line.split(';;').map((one) => one.trim()));

describe('answers of mathematics', () => {
  test.each(Object.entries(EQUAL))('are equivalent: %s', (_, lines) => {
    expect(pairsOf(lines).filter(([right, answer]) => !equivalentMath(right, answer))).toEqual([]);
  });

  test.each(Object.entries(DIFFERENT))('are different: %s', (_, lines) => {
    expect(pairsOf(lines).filter(([right, answer]) => equivalentMath(right, answer))).toEqual([]);
  });

  const many = (text: string, times: number): string => text.repeat(times);
  const HOSTILE: Readonly<Record<string, string>> = {
    'a tower of powers': '9^{9^{9^9}}',
    'a thousand roots in one another': `${many('\\sqrt{', 1000)}2${many('}', 1000)}`,
    'factorials of factorials': '1000!!!!^{1000!}',
    'an exponent of sixteen digits': '1.00000001^{9007199254740991}',
    'brackets without an end': many('(', 1990),
    'many signs of two values': many('(\\pm 1,', 280),
    'a list of a thousand numbers': `${many('1,', 990)}1`,
    'hundreds of functions': `${many('\\sin 5+', 250)}1`,
    'a megabyte': many('x', 1 << 20),
  };

  test.each(Object.entries(HOSTILE))('take bounded time and memory: %s', (_, answer) => {
    expect(equivalentMath('\\frac{1}{2}', answer)).toBe(false);
    expect(equivalentMath('x+1', answer)).toBe(false);
    // What has no value that can be computed is equal to itself at most.
    expect(equivalentMath(`${answer}+1`, answer)).toBe(false);
  });
});
