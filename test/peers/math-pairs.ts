/**
 * Pairs of answers in the notations of MATH and of the models that answer it, "right ;; answer": half of them say the
 * same, and the others nearly.
 */
export const PAIRS = pairsOf(String.raw`
  \frac12 ;; 0.5
  \frac{1}{2} ;; \dfrac{2}{4}
  \frac{1}{2} ;; 1/2
  \frac{1}{2} ;; 0.51
  \frac{3}{4} ;; 75\%
  50\% ;; 50
  50\% ;; 0.5
  50\% ;; 5
  90^\circ ;; 90
  90^\circ ;; \frac{\pi}{2}
  90^{\circ} ;; 90°
  90 ;; 90\text{ degrees}
  [2,5) ;; [2,5]
  [2,5) ;; (2,5]
  [2,5) ;; [2, 5)
  (1,2) ;; 1,2
  (1,2) ;; (2,1)
  (1,2) ;; [1,2]
  1,2,3 ;; 3,2,1
  1,2,3 ;; 1,2
  \{1,2\} ;; 2,1
  \{1,1,2\} ;; \{1,2\}
  1\pm\sqrt{19} ;; 1+\sqrt{19},1-\sqrt{19}
  1\pm\sqrt{19} ;; 1+\sqrt{19}
  10,080 ;; 10080
  10,080 ;; 10{,}080
  10,080 ;; 10.08
  1,000,000 ;; 10^6
  \text{Evelyn} ;; Evelyn
  \text{Evelyn} ;; evelyn
  \text{Evelyn} ;; Briana
  \text{(B)} ;; B
  \text{(B)} ;; (B)
  \text{(B)} ;; \text{(C)}
  x=5 ;; 5
  5 ;; x=5
  x=5 ;; y=5
  y=2x+3 ;; 2x+3
  y=2x+3 ;; y=3+2x
  y=2x+3 ;; 2x-y+3=0
  2x-y=0 ;; 4x-2y=0
  2x-y=0 ;; 2x+y=0
  5x-7y+11z+4=0 ;; -10x+14y-22z-8=0
  5\text{ cm} ;; 5
  5\text{ cm} ;; 5 cm
  5\text{ cm} ;; 6
  2516_8 ;; 2516
  2516_8 ;; 2516_{8}
  2\frac34 ;; \frac{11}{4}
  2\frac{3}{4} ;; 2.75
  2\frac{3}{4} ;; \frac{3}{2}
  x+y ;; y+x
  x^2+2xy+y^2 ;; (x+y)^2
  x^2-y^2 ;; (x-y)(x+y)
  x^2+1 ;; x^2-1
  (x-1)(x-2) ;; x^2-3x+2
  \frac{x+1}{x-1} ;; 1+\frac{2}{x-1}
  x>3 ;; 3<x
  x>3 ;; x\ge3
  x>3 ;; x<3
  x\le 3 ;; 3\ge x
  -x<-3 ;; x>3
  3\le x\le 5 ;; [3,5]
  3<x<5 ;; (3,5)
  x\in[3,5] ;; [3,5]
  x \in (-\infty, 3) ;; (-\infty,3)
  x<3 ;; (-\infty,3)
  (-\infty,2]\cup[5,\infty) ;; [5,\infty)\cup(-\infty,2]
  (-\infty,2]\cup[5,\infty) ;; (-\infty,2)\cup(5,\infty)
  (0,1)\cup(1,2) ;; (0,2)
  \begin{pmatrix}1\\2\end{pmatrix} ;; \begin{bmatrix}1\\2\end{bmatrix}
  \begin{pmatrix}1&2\\3&4\end{pmatrix} ;; \begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}
  \begin{pmatrix}1&2\\3&4\end{pmatrix} ;; \begin{pmatrix}1 & 3 \\ 2 & 4\end{pmatrix}
  \begin{pmatrix}1/2\\0\end{pmatrix} ;; \begin{pmatrix}0.5\\0\end{pmatrix}
  \frac13 ;; 0.3333
  \frac13 ;; 0.333333
  \frac13 ;; 0.33333333
  \frac13 ;; 0.333334
  \pi ;; 3.14159
  \pi ;; 3.141593
  \pi ;; \frac{22}{7}
  \pi ;; 3.14
  \sqrt{2} ;; 1.414214
  \sqrt{2} ;; 1.41
  \sqrt{12} ;; 2\sqrt{3}
  \sqrt{12} ;; 3\sqrt{2}
  \frac{1}{\sqrt{2}} ;; \frac{\sqrt{2}}{2}
  \frac{\sqrt3}{3} ;; \frac{1}{\sqrt3}
  \sqrt[3]{16} ;; 2\sqrt[3]{2}
  \sqrt{3+2\sqrt2} ;; 1+\sqrt2
  \sqrt{x^2} ;; x
  \sin^2 x+\cos^2 x ;; 1
  \sin 2x ;; 2\sin x\cos x
  \ln 8 ;; 3\ln 2
  \log_2 8 ;; 3
  \log_{10} 100 ;; 2
  6-5i ;; -5i+6
  6-5i ;; 6+5i
  5! ;; 120
  \binom{5}{2} ;; 10
  2^{10} ;; 1024
  2^10 ;; 1024
  2x ;; x^12
  2^{2023} ;; 2^{2023}-1
  2^{2023} ;; 2\cdot 2^{2022}
  9^{9^{9^9}} ;; 9^{9^{9^9}}
  9^{9^{9^9}} ;; 9^{9^{9^8}}
  \$18.90 ;; 18.90
  \$18.90 ;; 18.9
  \$18.90 ;; 18.09
  18.9 ;; \$18.90
  -\frac{24}{25} ;; \frac{-24}{25}
  -\frac{24}{25} ;; -0.96
  -\frac{24}{25} ;; \frac{24}{25}
  \frac{24}{-25} ;; -\frac{24}{25}
  3\times 10^5 ;; 300000
  3 \cdot 10^5 ;; 3e5
  0.\overline{3} ;; 0.3
  |x| ;; |x|
  p-q ;; -q+p
  p-q ;; q-p
  \frac{\pi}{6} ;; 30^\circ
  \frac59 ;; \frac 5 9
  \left(3,\frac{\pi}{2}\right) ;; (3,\pi/2)
  \left(\frac35,\frac83\right] ;; (0.6,\frac83]
  (3,-2,4) ;; (3, -2, 4)
  (3,-2,4) ;; (3,2,4)
  \text{east} ;; east
  \text{even} ;; \text{Even}
  \text{even} ;; odd
  7:30 ;; 7:30
  \text{2 hours} ;; 2
  11\sqrt2 ;; 11 \sqrt{2}
  70\sqrt2 ;; 70\sqrt3
  3\sqrt{13} ;; \sqrt{117}
  4210_5 ;; 4210_{5}
  12 \text{ square inches} ;; 12
  12 \mathrm{~cm}^2 ;; 12
  12 ;; 12\text{ cm}^{2}
  f(x)=x^2 ;; x^2
  f(x)=x^2 ;; f(x)=x\cdot x
  x=1, x=2 ;; 1,2
  x=1\text{ or }x=2 ;; x=2, x=1
  1 \text{ and } 2 ;; 1,2
  -2,1 ;; 1,-2
  a=1,b=2 ;; b=2,a=1
  \sqrt{5}+1 ;; 1+\sqrt{5}
  \frac{1+\sqrt5}{2} ;; \frac12+\frac{\sqrt5}{2}
  \frac{3\pi}{4} ;; 0.75\pi
  x^3+3x-6 ;; -6+3x+x^3
  -3x(x-1) ;; 3x-3x^2
  \frac{x}{2} ;; 0.5x
  2^{x+1} ;; 2\cdot2^x
  \frac{a}{b} ;; \frac{b}{a}
  a_1 ;; a_2
  a_1+a_2 ;; a_2+a_1
  \mathbf{A} ;; A
  \infty ;; -\infty
  0 ;; -0
  0 ;; 0.0
  1 ;; 1.0
  1 ;; 1.00
  1 ;; 01
  5 ;; five
  \emptyset ;; \varnothing
  \mathbb{R} ;; (-\infty,\infty)
  (2x+3)(2x-1)(x+4)(x-3) ;; (x-3)(x+4)(2x-1)(2x+3)
  \frac{2}{3}\pi ;; \frac{2\pi}{3}
  16-2i ;; 16 - 2i
  1.5 ;; \frac{3}{2}
  1.5 ;; 1\frac12
  8,000 ;; 8000
  8,000 ;; 8
  3,4 ;; 3.4
  3,4 ;; 34
  0.125 ;; 0{,}125
  0,125 ;; 0.125
  \$1,234.50 ;; 1234.5
  32,\!000 ;; 32000
  .5 ;; 0.5
  \arcsin 1 ;; \frac{\pi}{2}
  \sin^{-1} 1 ;; \frac{\pi}{2}
  \lfloor 3.7\rfloor ;; 3
  \lceil 3.2\rceil ;; 4
  4x^2-9 ;; (2x)^2-3^2
  \frac{x^2-1}{x-1} ;; x+1
  \sqrt{50} ;; 5\sqrt{2}
  \frac{7}{\sqrt{7}} ;; \sqrt{7}
  27\sqrt{3} ;; 46.765
  [-1,\infty) ;; x>-1
  \text{no solution} ;; \text{No solution}
  \text{yes} ;; \text{no}
  1 < x < 2 ;; 1<x<3
`);

/** Pairs that Graft and math_verify judge differently, with the reason. All others are judged alike. */
export const DIFFERENCES = [
  {
    reason: 'A set is not a pair',
    equivalent: false,
    pairs: pairsOf(String.raw`
      (1,2) ;; \{1,2\}
    `),
  },
  {
    reason: 'A variable b is not the choice B',
    equivalent: false,
    pairs: pairsOf(String.raw`
      \text{B} ;; b
    `),
  },
  {
    reason: 'Units and bases may be left out, but not be others',
    equivalent: false,
    pairs: pairsOf(String.raw`
      5\text{ cm} ;; 5\text{ m}
      2516_8 ;; 2516_9
    `),
  },
  {
    reason: 'A ratio is not a number',
    equivalent: false,
    pairs: pairsOf(String.raw`
      3:4 ;; \frac34
    `),
  },
  {
    reason: 'Five million is not five',
    equivalent: false,
    pairs: pairsOf(String.raw`
      5 ;; 5\text{ million}
    `),
  },
  {
    reason: 'math_verify does not know mixed numbers in plain text',
    equivalent: true,
    pairs: pairsOf(String.raw`
      6.5 ;; 6 1/2
    `),
  },
  {
    reason: 'A number in front of an improper fraction is a factor',
    equivalent: true,
    pairs: pairsOf(String.raw`
      3 ;; 2\frac{3}{2}
    `),
  },
  {
    reason: 'math_verify divides inequalities by nothing',
    equivalent: true,
    pairs: pairsOf(String.raw`
      2x>6 ;; x>3
    `),
  },
  {
    reason: 'math_verify takes inequalities for intervals in one direction only',
    equivalent: true,
    pairs: pairsOf(String.raw`
      [3,5] ;; 3\le x\le 5
      (5,\infty) ;; x>5
      (3,5) ;; 3<x<5
      (-\infty,3) ;; x<3
      x \in (-\infty, 3) ;; x<3
      [-1,\infty) ;; x\ge -1
    `),
  },
  {
    reason: 'math_verify compares chains side by side in their order',
    equivalent: true,
    pairs: pairsOf(String.raw`
      1<x<2 ;; 2>x>1
    `),
  },
  {
    reason: 'math_verify reads degrees as radians',
    equivalent: true,
    pairs: pairsOf(String.raw`
      \tan 100^\circ + 4 \sin 100^\circ ;; -\sqrt3
      \cos 60^\circ ;; \frac12
    `),
  },
  {
    reason: 'math_verify takes the principal root',
    equivalent: true,
    pairs: pairsOf(String.raw`
      \sqrt[3]{-8} ;; -2
    `),
  },
  {
    reason: 'math_verify has i as a variable where only one side has one',
    equivalent: true,
    pairs: pairsOf(String.raw`
      e^{i\pi} ;; -1
      \frac{1}{1+i} ;; \frac{1-i}{2}
      i ;; \sqrt{-1}
    `),
  },
  {
    reason: 'math_verify does not know repeating decimals',
    equivalent: true,
    pairs: pairsOf(String.raw`
      0.\overline{3} ;; \frac13
      0.1\overline{6} ;; \frac16
    `),
  },
  {
    reason: 'math_verify reads words with digits as products',
    equivalent: true,
    pairs: pairsOf(String.raw`
      \text{June 20} ;; June 20
    `),
  },
  {
    reason: 'math_verify has e as a number in a word without \\text',
    equivalent: true,
    pairs: pairsOf(String.raw`
      Evelyn ;; evelyn
      evelyn ;; Evelyn
    `),
  },
  {
    reason: '100,200 may be a list',
    equivalent: true,
    pairs: pairsOf(String.raw`
      100,200 ;; 100, 200
    `),
  },
];

function pairsOf(lines: string): (readonly [right: string, answer: string])[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' ;; ') as [string, string]);
}
