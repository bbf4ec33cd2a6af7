import { INTERFACES } from '@graft/core';
import { ROOT } from '@graft/test-support';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { conformance, type Check } from './index';

test('docs/plugins.md lists the rules of every interface, by the names of their checks', () => {
  const page = readFileSync(join(ROOT, 'docs', 'plugins.md'), 'utf8').replace(/\s+/g, ' ');
  const never = (): never => {
    throw new Error('no component is created before a check runs');
  };
  for (const kind of INTERFACES) {
    const checks: readonly Check[] = conformance[kind](never);
    expect(page).toContain(`**${kind}** ${checks.map(({ name }) => `- ${name}`).join(' ')}`);
  }
});
