import { cacheFolder, findNativeLibrary } from '@graft/engine';
import { freeAddresses } from '@graft/engine/internal';

/** Addresses of this machine for this many workers, as `--workers` takes them. */
export const workerList = async (count: number): Promise<string> => (await freeAddresses(count)).join(',');

export const hasNativeLibrary = async (): Promise<boolean> => (await findNativeLibrary()) !== undefined;

/** `it` for tests of what the native library is needed for; they pass over where there is none. `what` is not tested then. */
export function nativeTest(what: string): (name: string, body: () => Promise<void>) => void {
  let native = false;
  beforeAll(async () => {
    native = await hasNativeLibrary();
    if (!native) console.warn(`No native library in ${cacheFolder()}: ${what} are not tested.`);
  });
  return (name, body) =>
    it(name, async () => {
      if (native) await body();
    });
}
