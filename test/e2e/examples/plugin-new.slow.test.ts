/** `graft plugin new` for every kind of component, each package built and tested by its own scripts, against tarballs. */
import { INTERFACES } from '@graft/core';
import { installTarballs } from '../../packages/outside';
import { temporaryFolder } from '../../support';
import { packedGraft, printed } from '../support/outside';

const home = temporaryFolder();
beforeAll(() => installTarballs(home));

test.each(INTERFACES)('a new package with the %s passes its tests with npm test', async (kind) => {
  const folder = (await packedGraft(home, ['plugin', 'new', `graft-plugin-my-${kind}`, '--kind', kind])).trimEnd();
  expect(await printed('npm', ['test'], folder)).toMatch(/^(#|ℹ) fail 0/m);
});
