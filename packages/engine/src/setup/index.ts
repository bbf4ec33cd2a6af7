import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface NativeLibrary { folder: string; cc: string; framework: string; origin: string }
export function unsupportedPlatformReason(): string | undefined { return undefined; }
export async function findNativeLibrary(_o: { libraryPath?: string } = {}): Promise<NativeLibrary | undefined> {
  const folder = process.env.GRAFT_TENSORFLOW ?? join(homedir(), '.cache/graft/tensorflow-2.21.0');
  const cc = join(folder, 'libtensorflow_cc.so.2');
  return existsSync(cc) ? { folder, cc, framework: join(folder, 'libtensorflow_framework.so.2'), origin: 'environment' } : undefined;
}
