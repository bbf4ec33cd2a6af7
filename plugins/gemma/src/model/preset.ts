import type { SideConfig } from './config-types';
import type { Size } from './size';

/** One side of a preset: its size, and where it is a published model's also other fields. */
export type PresetSide = Size & Partial<SideConfig>;

/** What a preset names. */
export interface Preset {
  readonly encoder: PresetSide;
  readonly decoder: PresetSide;
  /** Whether it names two sides. */
  readonly pair: boolean;
  /** The family of a published model; sizes alone have none. */
  readonly family?: string;
}
