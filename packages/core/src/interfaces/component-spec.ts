/** A component named in a config, with its options next to `use`. Loading the config has checked the options. */
export interface ComponentSpec {
  readonly use: string;
  readonly [option: string]: unknown;
}
