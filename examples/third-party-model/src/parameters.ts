import type { ModelPart, ParameterSpec } from '@graft/core';
import type { PrenormConfig } from './config';

/** One table embeds both sides' tokens and makes the logits. */
export const TABLE = 'shared.table';

/** Names of the tensors as the checkpoints have them. A matrix is [in, out]: rows are multiplied from the left. */
export function parameterSpecs({ vocabularySize, width, feedForward, layers }: PrenormConfig): ParameterSpec[] {
  // `linear`: train.lora can give it a low-rank pair, whose product core adds to it.
  const matrix = (name: string, shape: readonly number[], part: ModelPart): ParameterSpec => ({
    name,
    shape,
    part,
    initial: 'normal',
    linear: true,
  });
  const norm = (name: string, part: ModelPart): ParameterSpec[] => [
    { name: `${name}.gain`, shape: [width], part, initial: 'ones' },
    { name: `${name}.bias`, shape: [width], part, initial: 'zeros' },
  ];
  const attention = (name: string, part: ModelPart): ParameterSpec[] => [
    ...norm(`${name}.norm`, part),
    ...['q', 'k', 'v', 'o'].map((one) => matrix(`${name}.${one}`, [width, width], part)),
  ];
  const feed = (name: string, part: ModelPart): ParameterSpec[] => [
    ...norm(`${name}.norm`, part),
    matrix(`${name}.up`, [width, feedForward], part),
    matrix(`${name}.down`, [feedForward, width], part),
  ];
  const blocks = (make: (block: number) => ParameterSpec[]): ParameterSpec[] =>
    Array.from({ length: layers }, (_, block) => make(block)).flat();
  return [
    { name: TABLE, shape: [vocabularySize, width], part: 'embedding', initial: 'normal' },
    ...blocks((block) => [...attention(`enc.${block}.self`, 'encoder'), ...feed(`enc.${block}.mlp`, 'encoder')]),
    ...norm('enc.norm', 'encoder'),
    ...blocks((block) => [
      ...attention(`dec.${block}.self`, 'decoder'),
      ...attention(`dec.${block}.cross`, 'cross-attention'),
      ...feed(`dec.${block}.mlp`, 'decoder'),
    ]),
    ...norm('dec.norm', 'decoder'),
  ];
}
