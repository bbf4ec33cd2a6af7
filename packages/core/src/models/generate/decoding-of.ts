import { GraftError } from '@graft/engine';
import type { BatchTensors, Decoding, DecodingPrompt, DecodingStart, Model, Parameters } from '../../interfaces';

/** A model's functions for generation. Throws GraftError for a model that does not generate. */
export function decodingOf(model: Model): Decoding {
  const { decoding, kind } = model;
  const lacks = (what: string): GraftError =>
    new GraftError(`This model does not generate: its family gives its ${kind} models ${what}.`, {
      code: 'family.no-decoding',
      exitCode: 2,
      hint: 'A family makes its models generate by giving them `decoding`; see docs/playbooks/model-family.md.',
    });
  if (!decoding) throw lacks('no `decoding`');
  if (kind === 'encoder-decoder' && !decoding.encode) throw lacks('a `decoding` without `encode`');
  return decoding;
}

/** Reads the source, if there is one, and the prompt. Traceable. */
export function startDecoding(
  decoding: Decoding,
  parameters: Parameters,
  prompt: BatchTensors,
  source: BatchTensors | undefined,
  capacity: number,
): DecodingStart {
  const read: DecodingPrompt = { ids: prompt.ids, mask: prompt.mask };
  return decoding.prefill(parameters, read, source && decoding.encode!(parameters, source), capacity);
}
