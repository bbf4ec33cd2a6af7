/** Runs over a mesh of eight devices beside the same run on one of them: shared by the tests of every run and the slow ones. */
import { CheckpointReader } from '@graft/checkpoint';
import { join } from 'node:path';
import { worstDifference } from '../../support';
import type { Outcome } from '../support/graft';
import type { MeshRuns, Settings, TrainedRun } from '../support/mesh-runs';

/** Bytes of float32 parameters: of matrices, which are split, and of norms, which are not. AdamW's moments take twice as much. */
const [MATRIX_BYTES, NORM_BYTES] = [153_600, 1_536];

/** A float32 sum in another order may round a parameter to the next bfloat16 number, 2^-8 of it away. */
const BFLOAT16_TOLERANCE = 1e-3;

const NARROW = { parameterDtype: 'bfloat16' };

/** `parts`: into how many the matrices are split. */
export type MeshCase = readonly [name: string, settings: Settings, parts: number];

/** Bytes of parameters and of optimizer state on each device, as the log says. */
function bytesPerDevice({ stderr }: Outcome): number[] {
  const [, ...numbers] = /bytes on each: parameters ([\d,]+), optimizer state ([\d,]+)/.exec(stderr) ?? [];
  return numbers.map((number) => Number(number.replaceAll(',', '')));
}

/** The same as a dry run estimates them. */
async function estimatedBytes({ estimated }: MeshRuns, settings: Settings): Promise<number[]> {
  const { memory } = await estimated(settings);
  return [memory.parameters, memory.masterWeights + memory.optimizerState!];
}

const tensorsOf = ({ tensors }: CheckpointReader): unknown[] =>
  Array.from(tensors.values(), ({ file: _, ...tensor }) => tensor);

/** The largest difference between the losses of two runs. */
export const worst = (a: readonly number[], b: readonly number[]): number =>
  worstDifference(Float32Array.from(a), Float32Array.from(b));

/** Tests that the runs of these cases are those of one device. */
export function meshCases(runs: MeshRuns, cases: readonly MeshCase[]): void {
  let alone: TrainedRun;
  beforeAll(async () => {
    alone = await runs.trained('alone', {});
  });

  test.each(cases)(
    '%s: the losses are those of one device, in its share of the memory',
    async (name, settings, parts) => {
      const { outcome, losses, checkpoint } = name === 'data' ? runs.data() : await runs.trained(name, settings);
      expect(losses).toHaveLength(4);
      expect(worst(losses, alone.losses)).toBeLessThan(1e-5);
      const bytes = MATRIX_BYTES / parts + NORM_BYTES;
      expect(bytesPerDevice(outcome)).toEqual([bytes, 2 * bytes]);
      expect(await estimatedBytes(runs, settings)).toEqual([bytes, 2 * bytes]);
      for (const file of ['', 'optimizer.safetensors']) {
        const [one, other] = await Promise.all(
          [alone.checkpoint, checkpoint].map((path) => CheckpointReader.open(join(path, file))),
        );
        expect(tensorsOf(other)).toEqual(tensorsOf(one));
        let difference = 0;
        for (const tensor of one.tensors.keys())
          difference = Math.max(
            difference,
            worstDifference(await one.readFloat32(tensor), await other.readFloat32(tensor)),
          );
        expect(difference).toBeLessThan(1e-4);
        await Promise.all([one.close(), other.close()]);
      }
    },
  );
}

/** The same with parameters in bfloat16 and float32 masters, and a run that moves from one mesh to another. */
export function narrowMeshCases(runs: MeshRuns, cases: readonly MeshCase[]): void {
  describe('with parameters in bfloat16 and float32 masters', () => {
    let narrow: TrainedRun;
    beforeAll(async () => {
      narrow = await runs.trained('narrow', NARROW);
    });

    test.each(cases)(
      '%s: the losses are those of one device, in its share of the memory',
      async (name, settings, parts) => {
        const { outcome, losses } = await runs.trained(`narrow-${name}`, { ...NARROW, ...settings });
        expect(losses).toHaveLength(4);
        expect(worst(losses, narrow.losses)).toBeLessThan(BFLOAT16_TOLERANCE);
        // Words of two numbers are split like the numbers; masters are part of the state.
        const [words, moments] = [MATRIX_BYTES / 2 / parts + NORM_BYTES, 2 * (MATRIX_BYTES / parts + NORM_BYTES)];
        expect(bytesPerDevice(outcome)).toEqual([words, MATRIX_BYTES / parts + moments]);
        expect(await estimatedBytes(runs, { ...NARROW, ...settings })).toEqual([words, MATRIX_BYTES / parts + moments]);
      },
    );

    test('a run resumes on another mesh', async () => {
      await runs.trained('narrow-moving', { ...NARROW, mesh: { data: 2, fsdp: 2, model: 2 }, steps: 2 });
      const { losses } = await runs.trained('narrow-moving', { ...NARROW, mesh: { model: 8 } }, '--resume');
      expect(losses).toHaveLength(4);
      expect(worst(losses, narrow.losses)).toBeLessThan(BFLOAT16_TOLERANCE);
    });
  });
}
