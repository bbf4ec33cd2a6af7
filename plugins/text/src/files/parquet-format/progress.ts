/** Reports each step to the watchdog, and that a file is being read: a slow disk is not an error of the file. */
export interface Progress {
  step(): void;
  reading<T>(read: Promise<T>): Promise<T>;
}
