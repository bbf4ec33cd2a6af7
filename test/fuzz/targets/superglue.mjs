import { DIAGNOSTICS, readDiagnostic, readTask, readTextTask, TASKS, writeSyntheticBenchmark } from '@graft/superglue';
import { Wrong, written } from './support.mjs';

export default {
  what: "rows of SuperGLUE's tasks",
  seeds: async () => {
    const files = await written((folder) =>
      writeSyntheticBenchmark(`${folder}/synthetic`, { seed: 1, trainRows: 2, valRows: 2, testRows: 2 }),
    );
    return [...TASKS, ...DIAGNOSTICS].map(({ folder }) =>
      Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith(`synthetic/${folder}/`))),
    );
  },
  async check(folder, files) {
    for (const diagnostic of DIAGNOSTICS)
      if (files[`synthetic/${diagnostic.folder}/${diagnostic.folder}.jsonl`])
        await readDiagnostic(`${folder}/synthetic`, diagnostic);
    const task = TASKS.find((one) => Object.keys(files).some((name) => name.startsWith(`synthetic/${one.folder}/`)));
    if (!task) return;
    for (const part of ['train', 'val', 'test']) {
      if (!files[`synthetic/${task.folder}/${part}.jsonl`]) continue;
      for (const { answers, place } of await readTextTask(`${folder}/synthetic`, task, part))
        if (part !== 'test' && !Array.isArray(answers)) throw new Wrong(`${place.file}:${place.line} has no answers`);
      for (const { label, place } of await readTask(`${folder}/synthetic`, task, part))
        if (label !== undefined && !(Number.isInteger(label) && label >= 0))
          throw new Wrong(`${place.file}:${place.line} has the class ${label}`);
    }
  },
};
