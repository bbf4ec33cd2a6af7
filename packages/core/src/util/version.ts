import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of @graft/core; all packages of Graft are released with the same version. */
export function ownVersion(): string {
  return (JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string }).version;
}
