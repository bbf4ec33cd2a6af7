import { attribute } from '../../program/attributes';
import { dot } from './dot';
import type { Emitter, Hlo } from './emitter';
import type { Rule } from './rule';
import { Unsupported } from './types';

/** A value whose dimensions have labels. */
interface Labelled {
  readonly value: Hlo;
  readonly labels: readonly string[];
}

/** Labels of a term; those of an ellipsis are numbers, counted from its last dimension. */
function labelsOf(term: string, rank: number): string[] {
  const [before, after] = term.split('...');
  if (after === undefined) return [...before];
  const hidden = rank - before.length - after.length;
  return [...before, ...Array.from({ length: hidden }, (_, i) => String(hidden - 1 - i)), ...after];
}

/** Without repeated labels: only the places in which both dimensions are equal are left. */
function diagonal(to: Emitter, { value, labels }: Labelled): Labelled {
  const at = labels.findIndex((label, axis) => labels.indexOf(label) < axis);
  if (at < 0) return { value, labels };
  const type = { dtype: 'int32', shape: value.shape } as const;
  const isEqual = to.compare('EQ', to.iota(type, labels.indexOf(labels[at])), to.iota(type, at));
  const masked = to.select(isEqual, value, to.fill(value, 0));
  return diagonal(to, { value: to.reduce(masked, [at], 'add'), labels: labels.filter((_, axis) => axis !== at) });
}

/** Without labels that nobody needs. */
function summedOver(to: Emitter, { value, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  if (axes.length === 0) return { value, labels };
  return { value: to.reduce(value, axes, 'add'), labels: labels.filter((label) => needed.has(label)) };
}

/** Without dimensions of the size 1 that the other value has longer. */
function withoutBroadcast(to: Emitter, { value, labels }: Labelled, other: Labelled): Labelled {
  const isShort = labels.map((label, axis) => {
    const at = other.labels.indexOf(label);
    return at >= 0 && value.shape[axis] === 1 && other.value.shape[at] !== 1;
  });
  const shape = value.shape.filter((_, axis) => !isShort[axis]);
  return { value: to.reshape(value, shape), labels: labels.filter((_, axis) => !isShort[axis]) };
}

/** The product of two, with the labels that are needed afterwards. */
function multiplied(to: Emitter, first: Labelled, second: Labelled, needed: ReadonlySet<string>): Labelled {
  const one = withoutBroadcast(to, first, second);
  const other = withoutBroadcast(to, second, one);
  const a = summedOver(to, one, new Set([...needed, ...other.labels]));
  const b = summedOver(to, other, new Set([...needed, ...one.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const [batch, summed] = [true, false].map((kept) => shared.filter((label) => needed.has(label) === kept));
  const axes = (labels: readonly string[]): [number[], number[]] => [
    labels.map((label) => a.labels.indexOf(label)),
    labels.map((label) => b.labels.indexOf(label)),
  ];
  const rest = [a, b].flatMap(({ labels }) => labels.filter((label) => !shared.includes(label)));
  const value = dot(to, a.value, b.value, { batch: axes(batch), summed: axes(summed) });
  return { value, labels: [...batch, ...rest] };
}

/** `ij,jk->ik`: one product after the other, from the left. */
export const einsum: Rule = ({ to, inputs, attributes, types }) => {
  const equation = (attribute(attributes, 'equation', 'string') ?? '').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  const terms = left.split(',').map((term, at): Labelled => {
    const labels = labelsOf(term, inputs[at].shape.length);
    return diagonal(to, { value: inputs[at], labels });
  });
  const hidden = terms.flatMap(({ labels }) => labels.filter((label) => /\d/.test(label)));
  const named = right.replace('...', '').length;
  const wanted = labelsOf(right, named + new Set(hidden).size);
  if (new Set(wanted).size < wanted.length) throw new Unsupported(`the result of "${equation}" repeats a label.`);
  const result = terms.slice(1).reduce((product, term, at) => {
    const later = terms.slice(at + 2).flatMap(({ labels }) => labels);
    return multiplied(to, product, term, new Set([...wanted, ...later]));
  }, terms[0]);
  const last = summedOver(to, result, new Set(wanted));
  const order = wanted.map((label) => last.labels.indexOf(label));
  const turned = to.transpose(last.value, order);
  return to.broadcastTo(turned, types[0].shape);
};
