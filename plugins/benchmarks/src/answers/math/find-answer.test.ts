import { findAnswer } from './find-answer';

test.each([
  ['behind the words of the prompt', 'So $x=2$. Final Answer: The final answer is $3$. I hope it is correct.', '3'],
  ['behind these words without the end', 'Final Answer: The final answer is \\frac12', '\\frac12'],
  ['in the last box', 'First \\boxed{1}, then $\\boxed{\\frac{1}{2}}$, which is $0.5$.', '\\boxed{\\frac{1}{2}}'],
  ['behind the word answer, in a formula', 'The answer is $5$ because $2+3=5$.', '5'],
  ['behind the word answer, as a number', 'Answer: 1,234.5 dollars', '1,234.5'],
  ['in several formulas', 'Hence $x=1$ and $x=2$.', 'x=1, x=2'],
  ['in brackets of LaTeX, with a percent sign', 'It rose by \\(50\\) %.', '50 %'],
  ['in a line that is a formula', ' \\frac{3}{56}', '\\frac{3}{56}'],
  ['in the last number', 'There are 3 boys and 12 girls', '12'],
  ['nowhere', 'I do not know.', undefined],
])('the final answer stands %s', (_, text, answer) => {
  expect(findAnswer(text)).toBe(answer);
});
