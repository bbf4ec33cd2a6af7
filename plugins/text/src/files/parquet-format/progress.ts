/** Who watches learns of each step, and that a file is being read: a slow disk is not a mistake of the file. */
export interface Progress {
  step(): void;
  reading<T>(read: Promise<T>): Promise<T>;
}
