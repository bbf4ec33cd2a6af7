import { readTask, TASKS, writeSyntheticBenchmark } from '@graft/superglue';
import { Wrong, written } from './support.mjs';

export default {
  what: "rows of SuperGLUE's tasks",
  seeds: async () => {
    const files = await written((folder) =>
      writeSyntheticBenchmark(`${folder}/synthetic`, { seed: 1, trainRows: 2, valRows: 2 }),
    );
    return TASKS.map(({ folder }) =>
      Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith(`synthetic/${folder}/`))),
    );
  },
  async check(folder, files) {
    const task = TASKS.find((one) => Object.keys(files).some((name) => name.startsWith(`synthetic/${one.folder}/`)));
    if (!task) return;
    for (const part of ['train', 'val']) {
      if (!files[`synthetic/${task.folder}/${part}.jsonl`]) continue;
      for (const { label, place } of await readTask(`${folder}/synthetic`, task, part))
        if (label !== undefined && !(Number.isInteger(label) && label >= 0))
          throw new Wrong(`${place.file}:${place.line} has the class ${label}`);
    }
  },
};
