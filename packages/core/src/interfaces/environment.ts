/** The working folder's state in git. */
export interface GitState {
  /** Full hash of the commit. */
  readonly commit: string;
  /** Undefined if no branch is checked out. */
  readonly branch?: string;
  /** Whether files that git tracks differ from the commit. */
  readonly dirty: boolean;
}

/** The machine that a process runs on. */
export interface HostFacts {
  readonly name: string;
  /** `Linux 6.1.0 x64`. */
  readonly system: string;
  readonly cpu: string;
  /** Logical cores. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Version of Node. */
  readonly node: string;
}

/** Where and how one process worked on a run: an entry in the run's environment.json. */
export interface RunEnvironment {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** The process's command line for a shell, with secrets masked. */
  readonly command: string;
  readonly workingFolder: string;
  /** Name of the user who ran it. Undefined if the system does not know it. */
  readonly user?: string;
  /** Undefined outside a git repository, or if git is not installed. */
  readonly git?: GitState;
  readonly host: HostFacts;
}
