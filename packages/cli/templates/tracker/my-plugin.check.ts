import { conformance, createComponent, type Received } from '@graft/testing';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plugin } from './index';

const folder = mkdtempSync(join(tmpdir(), 'my-plugin-'));
const file = join(folder, 'metrics.ndjson');
after(() => rmSync(folder, { recursive: true }));

/** What is in the file, for the check that everything arrives. */
function received(): Received[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  return lines.map((line) => JSON.parse(line) as Received).filter(({ metrics }) => metrics);
}

void describe('my-plugin', () => {
  const make = () => createComponent([plugin], 'tracker', { use: 'my-plugin', file });
  for (const { name, run } of conformance.tracker(make, { received })) void test(name, run);
});
