/** What this process uses: worker 0 of several, with its data threads and the threads of the native library. */
export interface ResourceUse {
  /** Memory of the process that is in the machine's memory, at the end of the step. */
  readonly residentMemoryBytes: number;
  /** Processor seconds per second of the step: the number of cores that were busy, on average. */
  readonly cpuCores: number;
}

/** Begins a step, and returns what ends it. Both take some microseconds. */
export function measureResources(): () => ResourceUse {
  const before = process.cpuUsage();
  const began = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(before);
    const milliseconds = performance.now() - began;
    const cpuCores = milliseconds > 0 ? (user + system) / 1000 / milliseconds : 0;
    return { residentMemoryBytes: process.memoryUsage.rss(), cpuCores };
  };
}
