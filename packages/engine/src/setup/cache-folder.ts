import { cacheFolder } from '@graft/files';
import { join } from 'node:path';

export { cacheFolder };

/** The compiled code of configs and plugins in TypeScript. */
export const codeFolder = (cache = cacheFolder()): string => join(cache, 'code');
