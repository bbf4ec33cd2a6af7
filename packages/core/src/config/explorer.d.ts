/** Internals of cosmiconfig 9, which exports them without types. */
declare module 'cosmiconfig/dist/Explorer' {
  export interface ExplorerPlace {
    readonly path: string;
    readonly isGlobalConfig: boolean;
  }

  export class Explorer {
    constructor(options: {
      readonly moduleName: string;
      readonly searchPlaces: readonly string[];
      readonly stopDir: string;
      readonly searchStrategy: 'global';
      readonly loaders: Readonly<Record<string, (file: string) => unknown>>;
      readonly metaConfigFilePath: null;
      readonly ignoreEmptySearchPlaces: boolean;
      readonly mergeImportArrays: boolean;
      readonly cache: boolean;
      readonly transform: <T>(found: T) => T;
    });
    search(from: string): Promise<{ readonly filepath: string } | null>;
    getSearchPlacesForDir(place: ExplorerPlace, globalPlaces: readonly string[]): string[];
  }
}
