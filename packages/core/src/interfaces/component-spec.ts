/** A component named in a config, with its options next to `use`; checked when the config was loaded. */
export interface ComponentSpec {
  readonly use: string;
  readonly [option: string]: unknown;
}
