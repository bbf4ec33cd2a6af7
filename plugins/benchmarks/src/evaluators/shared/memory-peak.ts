import type { Engine } from '@graft/engine';

/** Milliseconds between two looks at the memory of the process. */
const INTERVAL_MS = 20;

/**
 * The most memory in use between its creation and `stop`: that of the process, of which it takes samples, or that of the
 * device, whose own peak counts from the start of the process.
 */
export class MemoryPeak {
  private resident = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly engine: Engine) {
    this.sample();
    this.timer = setInterval(() => this.sample(), INTERVAL_MS);
    // It must not keep the process alive.
    this.timer.unref();
  }

  /** Looks now, also where the thread was too busy for the timer. */
  sample(): void {
    this.resident = Math.max(this.resident, process.memoryUsage.rss());
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** `peakDeviceBytes` where the device tells, otherwise `peakResidentBytes`. */
  numbers(): Record<string, number> {
    const { device } = this.engine.memory();
    return device
      ? { peakDeviceBytes: device.peakBytesInUse ?? device.bytesInUse }
      : { peakResidentBytes: this.resident };
  }
}
