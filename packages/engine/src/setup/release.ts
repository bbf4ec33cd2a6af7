/** A file that Graft unpacks from a wheel, with its size and hash. */
export interface LibraryFile {
  /** Path inside the folder into which it is unpacked. */
  readonly name: string;
  /** Path inside the wheel. */
  readonly entry: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether it is started as a program. Default false. */
  readonly program?: boolean;
}

/** A release of a Python package, with what is downloaded and kept of it. */
export interface Release {
  readonly version: string;
  readonly package: string;
  /** Any CPython will do: the wheel's C++ libraries do not depend on it. */
  readonly pythonVersion: string;
  /** Wheel tags; the wheel's own tag comes last, because pip before 20.3 uses only the last. */
  readonly platforms: readonly string[];
  readonly wheelSha256: string;
  readonly wheelBytes: number;
  readonly files: readonly LibraryFile[];
}

/** Releases that are installed together into a folder of Graft's cache. */
export interface Bundle {
  /** For sentences: `the native library`. */
  readonly what: string;
  /** The command that installs it. */
  readonly command: string;
  /** What to do where it cannot be fetched, as the end of a sentence. */
  readonly instead: string;
  readonly releases: readonly Release[];
  /** The files are data, which every platform can use. Default: they are libraries for Linux on x86-64. */
  readonly isData?: boolean;
}

/** Bytes that remain of a release, or of several, when they are installed. */
export const installedBytes = (releases: readonly Release[]): number =>
  releases.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0);

/** The files of all of a bundle's wheels. */
export const filesOf = ({ releases }: Bundle): LibraryFile[] => releases.flatMap(({ files }) => files);

/** `The native library`, for the beginning of a sentence. */
export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const CC_LIBRARY = 'libtensorflow_cc.so.2';
/** The name of the same library in TensorFlow's C package and in tfjs-node's copy of it. */
export const C_LIBRARY = 'libtensorflow.so.2';
export const FRAMEWORK_LIBRARY = 'libtensorflow_framework.so.2';

/** The release of TensorFlow that Graft is tested with, with the digests of its files. */
export const RELEASE: Release = {
  version: '2.21.0',
  package: 'tensorflow-cpu',
  pythonVersion: '3.12',
  platforms: ['manylinux2014_x86_64', 'manylinux_2_17_x86_64', 'manylinux_2_27_x86_64'],
  wheelSha256: 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
  wheelBytes: 274_000_871,
  files: [
    {
      name: CC_LIBRARY,
      entry: `tensorflow/${CC_LIBRARY}`,
      bytes: 788_086_608,
      sha256: '6505a4b9657e62100c6bdacb683957a395cb047725042945aaa50e40a71e429e',
    },
    {
      name: FRAMEWORK_LIBRARY,
      entry: `tensorflow/${FRAMEWORK_LIBRARY}`,
      bytes: 65_222_328,
      sha256: 'f060b323b26ef80add21b9df9428de3aeaf2843d772c5bb098745f7abff3709b',
    },
  ],
};

/** TensorFlow's libraries, as they are installed. */
export const TENSORFLOW: Bundle = {
  what: 'the native library',
  command: 'graft engine install',
  instead: 'name a TensorFlow that is here already with GRAFT_TENSORFLOW',
  releases: [RELEASE],
};
