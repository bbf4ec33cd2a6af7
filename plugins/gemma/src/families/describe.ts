import { describeBlock } from '../model/block';
import type { AnyGemmaConfig, EncoderWindow, SideConfig } from '../model/config-types';
import { describePreserving } from '../model/preserving-form';
import { describeRotary, sameRotation } from '../model/rotary';
import { familyOf } from '.';

const ORDINALS: Readonly<Record<number, string>> = { 2: 'second', 3: 'third' };

/** Which layers see everything. */
function layersOf({ layerTypes }: SideConfig): string {
  const word = (type: string): string => (type === 'full_attention' ? 'full' : 'sliding');
  if (new Set(layerTypes).size === 1) return `all ${word(layerTypes[0])}`;
  const full = layerTypes.flatMap((type, layer) => (type === 'full_attention' ? [layer] : []));
  const every = full[0] + 1;
  const regular = layerTypes.every((type, layer) => (type === 'full_attention') === ((layer + 1) % every === 0));
  return regular ? `every ${ORDINALS[every] ?? `${every}th`} is full` : `full: ${full.join(', ')}`;
}

const WINDOWS: Readonly<Record<EncoderWindow, string>> = {
  strict: '|i - j| < window',
  inclusive: '|i - j| <= window',
  halved: 'window tokens in all',
  symmetric: '|i - j| <= window / 2',
};

function positionsOf({ rotary, layerTypes }: SideConfig): string {
  const { full_attention: full, sliding_attention: sliding } = rotary;
  const kinds = new Set(layerTypes);
  if (kinds.size === 1) return describeRotary(rotary[layerTypes[0]]);
  if (sameRotation(full, sliding)) return describeRotary(full);
  return `full ${describeRotary(full)}; sliding ${describeRotary(sliding)}`;
}

/** One side of a pair whose sides have layers of their own families. */
function describeSide(name: string, side: SideConfig, isDecoderOfPair: boolean, window = ''): string {
  const title = familyOf({ family: side.family! }).title;
  const tokens = side.vocabularySize.toLocaleString('en');
  return (
    `${name}: layers of ${title}; ${describeBlock(side.block, isDecoderOfPair)}; ${layersOf(side)}; ` +
    `rotary positions: ${positionsOf(side)}${window}; ${tokens} tokens`
  );
}

/** The family of a model, what its layers are made of, and the form that it is in: lines for `graft inspect`. */
export function describeModel(config: AnyGemmaConfig): string[] {
  const form = config.kind === 'encoder-decoder' ? config.functionPreserving : undefined;
  return [...describeLayers(config), ...(form ? [describePreserving(form)] : [])];
}

function describeLayers(config: AnyGemmaConfig): string[] {
  const side = config.kind === 'encoder-only' ? config.encoder : config.decoder;
  const slides = config.kind !== 'decoder-only' && config.encoder.layerTypes.includes('sliding_attention');
  if (config.kind !== 'decoder-only' && familyOf(config).sides) {
    const window = slides ? `; window: ${WINDOWS[config.encoderWindow]}` : '';
    return [
      describeSide('encoder', config.encoder, false, window),
      ...(config.kind === 'encoder-decoder' ? [describeSide('decoder', config.decoder, true)] : []),
    ];
  }
  return [
    `${familyOf(config).title}: ${describeBlock(side.block, config.kind === 'encoder-decoder')}`,
    `layers: ${layersOf(side)}; rotary positions: ${positionsOf(side)}` +
      (slides ? `; encoder's window: ${WINDOWS[config.encoderWindow]}` : ''),
  ];
}
