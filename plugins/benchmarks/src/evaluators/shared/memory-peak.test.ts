import type { Engine, EngineMemory } from '@graft/engine';
import { MemoryPeak } from './memory-peak';

function numbersOf(device?: EngineMemory['device']): Record<string, number> {
  const memory = (): EngineMemory => ({ tensors: 0, handles: 0, bytes: 0, residentBytes: 0, device });
  const peak = new MemoryPeak({ memory } as Engine);
  peak.stop();
  return peak.numbers();
}

test("the device's own peak counts where it is known, otherwise what it uses, otherwise the memory of the process", () => {
  expect(numbersOf({ bytesInUse: 5, peakBytesInUse: 9 })).toEqual({ peakDeviceBytes: 9 });
  expect(numbersOf({ bytesInUse: 5 })).toEqual({ peakDeviceBytes: 5 });
  const { peakResidentBytes } = numbersOf();
  expect(peakResidentBytes).toBeGreaterThan(2 ** 20);
});
