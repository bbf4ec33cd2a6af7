/* eslint-disable @typescript-eslint/no-redundant-type-constituents, @typescript-eslint/no-duplicate-type-constituents -- the registry is empty only here */
import type { ComponentSpec } from './component-spec';
import type { InterfaceName } from './component-types';

/**
 * The options of components, as a config writes them, by interface and id:
 * `'optimizer:adamw': { learningRate: number }`. Empty until `graft plugins --types` or a plugin merges its own
 * entries; then `defineExperiment` knows the components and checks their options.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- declarations are merged into it
export interface ComponentOptions {}

/** The options of an interface's components by id. */
type OptionsOf<I extends InterfaceName> = {
  [K in keyof ComponentOptions as K extends `${I}:${infer Id}` ? Id : never]: ComponentOptions[K];
};

type Known<I extends InterfaceName> = keyof OptionsOf<I> & string;

/**
 * A component in a config: its id, or `{ use: id, … }`. Options may be missing, and so may `use`, because a config that
 * this one extends may contain them. `Extra`: Graft's own keys next to the options.
 */
export type ComponentInput<I extends InterfaceName, Extra = unknown> = [Known<I>] extends [never]
  ? (ComponentSpec & Extra) | string
  : { [Id in Known<I>]: { readonly use?: Id } & Partial<OptionsOf<I>[Id]> & Extra }[Known<I>] | Known<I>;
