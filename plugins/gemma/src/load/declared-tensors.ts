import type { CheckpointReader } from '@graft/checkpoint';
import { CheckpointError } from '@graft/core';
import type { AnyGemmaConfig } from '../model/config-types';
import { DECODER_EMBEDDING, ENCODER_EMBEDDING, parameterSpecs } from '../model/parameters';

/**
 * The stored tensor of a parameter: the one of the same name, except that the decoder's table also fills the encoder's
 * if the checkpoint was saved with one table for both, and that the published encoder alone has names without `model.`
 * (quirk 21).
 */
export function storedName(
  name: string,
  { tensors }: Pick<CheckpointReader, 'tensors'>,
  { kind }: { readonly kind: string },
): string {
  if (tensors.has(name)) return name;
  if (kind === 'encoder-only') return name.replace(/^model\./, '');
  return name === ENCODER_EMBEDDING ? DECODER_EMBEDDING : name;
}

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
