/** A component named in a config, its options beside `use`; checked when the config was loaded. */
export interface ComponentSpec {
  readonly use: string;
  readonly [option: string]: unknown;
}
