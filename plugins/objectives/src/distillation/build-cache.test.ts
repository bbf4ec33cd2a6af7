import { Registry, type ExperimentConfig } from '@graft/core';
import { cacheTeacher } from './build-cache';

it('a file in place of the cache folder is refused before anything is opened', async () => {
  const config = {
    objective: { use: 'prefix-lm', distillation: { teacher: 'teacher' } },
  } as unknown as ExperimentConfig;
  const caching = cacheTeacher({ config, registry: new Registry() }, { folder: __filename });
  await expect(caching).rejects.toMatchObject({
    message: `${__filename} is a file; expected the folder of a teacher's cache, or the name of a new one.`,
    exitCode: 2,
  });
});
