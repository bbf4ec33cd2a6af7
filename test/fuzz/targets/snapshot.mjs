/** Snapshots of a run: the manifest has a digest of everything, so that whatever changes in a file is noticed. */
import { verifySnapshot } from '@graft/checkpoint';
import { loadSnapshotState, saveSnapshot } from '@graft/checkpoint/internal';
import { mutateCase } from '../lib/mutate.mjs';
import { Wrong, written } from './support.mjs';

const tensor = (name, length) => ({
  name,
  dtype: 'F32',
  shape: [length],
  data: async () => new Float32Array(length).fill(0.25),
});

const STATE = { step: 7, seed: 3, data: { data: 'abc', epoch: 1, row: 5, given: 0 }, random: { state: [1, 2, 3] } };

export default {
  what: 'snapshots of runs: manifest.json, trainer.json, model, optimizer and average',
  seeds: async () => [
    await written((folder) =>
      saveSnapshot(`${folder}/step-7`, {
        model: { config: { model_type: 'gemma2' }, tensors: [tensor('a', 6), tensor('b', 4)] },
        optimizer: [tensor('a.first', 6)],
        average: { config: { model_type: 'gemma2' }, tensors: [tensor('a', 6)] },
        state: STATE,
      }),
    ),
  ],
  mutate: (files, random) => mutateCase(files, random),
  async setup() {
    return (await this.seeds())[0];
  },
  async check(folder, files, original) {
    const snapshot = `${folder}/step-7`;
    const state = await loadSnapshotState(snapshot);
    await verifySnapshot(snapshot);
    for (const [name, bytes] of Object.entries(original))
      if (!name.endsWith('manifest.json') && !files[name]?.equals(bytes))
        throw new Wrong(`accepted, though ${name} has changed`);
    if (JSON.stringify(state) !== JSON.stringify(STATE)) throw new Wrong('the state is another one');
  },
};
