/** Rotary positions in config.json, in the forms of versions 4 and 5 of the published implementation. */
import { isObject } from '@graft/core/internal';
import { LIMITS, shown, type ConfigFields, type Json } from '../model/config-fields';
import type { LayerType, SideConfig } from '../model/config-types';
import { DEFAULT_ROPE_THETA } from '../model/published-defaults';
import type { RotaryPositions } from '../model/rotary';

/** The types of rotary positions that a family reads. */
type RotaryType = 'default' | 'linear' | 'llama3';

/** All that Graft computes. */
export const ROTARY_TYPES: readonly RotaryType[] = ['default', 'linear', 'llama3'];

function objectAt(fields: ConfigFields, name: string, value: unknown): Json {
  if (isObject(value)) return value;
  throw fields.fail(name, `should be an object, but is ${shown(value)}`);
}

/** The positions that a section describes, with a base that it may leave out. `name`: the section's, for errors. */
function positionsOf(
  fields: ConfigFields,
  name: string,
  section: Json,
  { theta, types, older }: { theta: unknown; types: readonly RotaryType[]; older: string },
): RotaryPositions {
  // `type` is the older spelling. The published Gemma 3 passes it over in silence, and does not scale (quirk 6).
  const type = section.rope_type ?? section.type ?? 'default';
  if (!(types as readonly unknown[]).includes(type)) {
    const known = types.map((own) => `"${own}"`).join(', ');
    throw fields.fail(name, `asks for rotary positions of type ${shown(type)}; Graft knows ${known}`);
  }
  const part = section.partial_rotary_factor ?? fields.json.partial_rotary_factor ?? 1;
  if (part !== 1) throw fields.fail(name, `rotates a part of each head (${shown(part)}); Graft rotates whole heads`);
  const number = (key: string, most: number = LIMITS.number): number =>
    fields.checkPositive(`${name}.${key}`, section[key], most);
  const own = 'rope_theta' in section ? section.rope_theta : theta;
  const base = { theta: fields.checkPositive(older, own, LIMITS.number) };
  if (type === 'default') return base;
  if (type === 'linear') return { ...base, scaling: { type, factor: number('factor') } };
  const [low, high] = [number('low_freq_factor'), number('high_freq_factor')];
  if (high <= low)
    throw fields.fail(name, `has "high_freq_factor" ${high}, which should be above "low_freq_factor" ${low}`);
  return {
    ...base,
    scaling: {
      type: 'llama3',
      factor: number('factor'),
      lowFrequencyFactor: low,
      highFrequencyFactor: high,
      originalMaxPositions: number('original_max_position_embeddings', LIMITS.positions),
    },
  };
}

/**
 * Positions that all layers share. Version 5 nests them in `rope_parameters`; version 4 has `rope_theta` and
 * `rope_scaling` (quirk 11). The older `rope_scaling` counts if both are there, and theta within them overrides theta
 * next to them.
 */
export function readRotary(fields: ConfigFields, types: readonly RotaryType[]): SideConfig['rotary'] {
  const { json } = fields;
  const older = objectAt(fields, 'rope_scaling', json.rope_scaling ?? {});
  const [name, nested] =
    Object.keys(older).length > 0
      ? (['rope_scaling', older] as const)
      : (['rope_parameters', objectAt(fields, 'rope_parameters', json.rope_parameters ?? {})] as const);
  const byLayer = Object.keys(nested).find((key) => isObject(nested[key]));
  if (byLayer !== undefined)
    throw fields.fail(name, `gives "${byLayer}" rotary positions of its own; all layers of this model have the same`);
  const theta = json.rope_theta === undefined ? DEFAULT_ROPE_THETA : json.rope_theta;
  const positions = positionsOf(fields, name, nested, { theta, types, older: 'rope_theta' });
  return { full_attention: positions, sliding_attention: positions };
}

/** The base of each kind of layer where nothing says it, and its older key. */
const BY_LAYER: Readonly<Record<LayerType, { readonly theta: number; readonly key: string }>> = {
  full_attention: { theta: 1_000_000, key: 'rope_theta' },
  sliding_attention: { theta: 10_000, key: 'rope_local_base_freq' },
};

/**
 * Positions by kind of layer (quirks 2 and 6 of the second set): version 5 nests a section for each kind in
 * `rope_parameters`; in version 4, `rope_theta` and `rope_scaling` concern full layers, and `rope_local_base_freq`
 * sliding ones.
 */
export function readRotaryByLayer(fields: ConfigFields): SideConfig['rotary'] {
  const { json } = fields;
  const nested = objectAt(fields, 'rope_parameters', json.rope_parameters ?? {});
  const flat = Object.keys(nested).find((key) => !Object.hasOwn(BY_LAYER, key));
  if (flat !== undefined) {
    throw fields.fail(
      'rope_parameters',
      `has "${flat}"; it should have a section for "full_attention" and one for "sliding_attention"`,
    );
  }
  const of = (type: LayerType): RotaryPositions => {
    const { theta, key } = BY_LAYER[type];
    const own = objectAt(fields, `rope_parameters.${type}`, nested[type] ?? {});
    const scaling = type === 'full_attention' ? objectAt(fields, 'rope_scaling', json.rope_scaling ?? {}) : {};
    const silent = json[key] === undefined || json[key] === null ? theta : json[key];
    const name = Object.keys(scaling).length > 0 ? 'rope_scaling' : `rope_parameters.${type}`;
    return positionsOf(fields, name, { ...own, ...scaling }, { theta: silent, types: ROTARY_TYPES, older: key });
  };
  return { full_attention: of('full_attention'), sliding_attention: of('sliding_attention') };
}

/** Positions as version 5 spells them. */
function section({ theta, scaling }: RotaryPositions): Record<string, unknown> {
  return { rope_theta: theta, rope_type: 'default', ...(scaling && scalingFields(scaling)) };
}

function scalingFields(scaling: NonNullable<RotaryPositions['scaling']>): Record<string, unknown> {
  if (scaling.type === 'linear') return { rope_type: 'linear', factor: scaling.factor };
  return {
    rope_type: 'llama3',
    factor: scaling.factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalMaxPositions,
  };
}

/** Both spellings: version 4 silently uses its default if it finds only the new one (quirk 11). */
export function writeRotary({ full_attention: positions }: SideConfig['rotary']): Record<string, unknown> {
  const { theta, scaling } = positions;
  return {
    rope_parameters: section(positions),
    ...(scaling && { rope_scaling: scalingFields(scaling) }),
    rope_theta: theta,
  };
}

/** As above, by kind of layer. */
export function writeRotaryByLayer(rotary: SideConfig['rotary']): Record<string, unknown> {
  const { full_attention: full, sliding_attention: sliding } = rotary;
  return {
    rope_local_base_freq: sliding.theta,
    rope_parameters: { full_attention: section(full), sliding_attention: section(sliding) },
    ...(full.scaling && { rope_scaling: scalingFields(full.scaling) }),
    rope_theta: full.theta,
  };
}
