/** Published models by name, with their families: what `inspect --preset` and `model.preset` know besides sizes. */
import type { Preset } from './preset';

/** By the name of the checkpoint. */
export const PUBLISHED: Readonly<Record<string, Preset>> = {};

/** All their names. */
export const PUBLISHED_NAMES: readonly string[] = Object.keys(PUBLISHED);
