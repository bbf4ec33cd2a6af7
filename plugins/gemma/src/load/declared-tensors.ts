import type { CheckpointReader } from '@graft/checkpoint';
import { CheckpointError } from '@graft/core';
import { familyOf } from '../families';
import type { AnyGemmaConfig } from '../model/config-types';
import { parameterSpecs } from '../model/parameters';

/** The stored tensor of a parameter: folders of one family differ in their names, and in the tables that they share. */
export function storedName(
  name: string,
  { tensors }: Pick<CheckpointReader, 'tensors'>,
  config: Pick<AnyGemmaConfig, 'family' | 'kind'>,
): string {
  const names = familyOf(config).storedNames?.(name, config.kind) ?? [name];
  return names.find((stored) => tensors.has(stored)) ?? names.at(-1)!;
}

/** The names of a parameter in the modules of the published implementation, the present one first. */
export const publishedNames = (name: string, config: Pick<AnyGemmaConfig, 'family' | 'kind'>): readonly string[] =>
  familyOf(config).publishedNames?.(name, config.kind) ?? [name];

/**
 * Refuses a config.json that describes another model than the tensors next to it, judging only by their shapes: the
 * config decides how much memory is allocated, so it is checked first. Throws CheckpointError naming the first tensor
 * that contradicts it.
 */
export function checkDeclared(config: AnyGemmaConfig, reader: CheckpointReader): void {
  for (const { name, shape } of parameterSpecs(config)) {
    const stored = storedName(name, reader, config);
    const info = reader.tensors.get(stored);
    if (info?.shape.join() === shape.join()) continue;
    const there = info ? `in ${info.file} it has [${info.shape.join(', ')}]` : 'no file has it';
    throw new CheckpointError(
      `${reader.path}/config.json does not describe the tensors beside it: "${stored}" should have shape [${shape.join(', ')}], but ${there}.`,
      {
        code: 'checkpoint.mismatch',
        hint: 'Take config.json and the weights from one place: a copy may be damaged, or be of another checkpoint.',
      },
    );
  }
}
