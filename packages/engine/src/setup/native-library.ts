/** The paths of the two native libraries, and how they were found. */
export interface NativeLibrary {
  readonly folder: string;
  readonly cc: string;
  readonly framework: string;
  readonly origin: 'option' | 'environment' | 'cache' | 'tfjs-node' | 'python';
}
