/** Graft's own keys for the attention of an encoder, which other readers ignore. */
import { shown, type ConfigFields } from '../model/config-fields';
import { ENCODER_WINDOWS, type EncoderOnlyConfig, type EncoderWindow, type GemmaOptions } from '../model/config-types';

type EncoderFields = Pick<EncoderOnlyConfig, 'encoderWindow' | 'encoderAttention'>;

/** Window and direction of the encoder. `published`: the window of the family where nothing says another. */
export function readEncoderFields(
  fields: ConfigFields,
  options: GemmaOptions,
  published: EncoderWindow,
): EncoderFields {
  const { encoder_window: window = published, encoder_attention: attention = 'bidirectional' } = fields.json;
  if (!(ENCODER_WINDOWS as readonly unknown[]).includes(window)) {
    const known = ENCODER_WINDOWS.map((own) => `"${own}"`);
    throw fields.fail(
      'encoder_window',
      `should be ${known.slice(0, -1).join(', ')} or ${known.at(-1)}, but is ${shown(window)}`,
    );
  }
  if (attention !== 'bidirectional' && attention !== 'causal')
    throw fields.fail('encoder_attention', `should be "bidirectional" or "causal", but is ${shown(attention)}`);
  return {
    encoderWindow: options.encoderWindow ?? (window as EncoderWindow),
    ...((options.encoderAttention ?? attention) === 'causal' ? { encoderAttention: 'causal' } : {}),
  };
}

/** As above, to be written: the window of the family needs no key. */
export function writeEncoderFields(
  { encoderWindow, encoderAttention }: EncoderFields,
  published?: EncoderWindow,
): Record<string, unknown> {
  return {
    ...(encoderWindow === published ? {} : { encoder_window: encoderWindow }),
    ...(encoderAttention === 'causal' ? { encoder_attention: 'causal' } : {}),
  };
}
