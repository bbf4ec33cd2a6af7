import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of the command, and of all packages of Graft. */
export function ownVersion(): string {
  return (JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string }).version;
}
