/** Runs over a mesh of eight virtual devices of the PJRT plugin for CPUs, beside the same run on one of them. */
import { CheckpointReader } from '@graft/checkpoint';
import { join } from 'node:path';
import { worstDifference } from '../../support';
import type { Outcome } from '../support/graft';
import { describeMesh, type Settings, type TrainedRun } from '../support/mesh-runs';

/** Bytes of float32 parameters: of matrices, which are split, and of norms, which are not. AdamW's moments take twice as much. */
const [MATRIX_BYTES, NORM_BYTES] = [153_600, 1_536];

/** A float32 sum in another order may round a parameter to the next bfloat16 number, 2^-8 of it away. */
const BFLOAT16_TOLERANCE = 1e-3;

/** Bytes of parameters and of optimizer state on each device, as the log says. */
function bytesPerDevice({ stderr }: Outcome): number[] {
  const [, ...numbers] = /bytes on each: parameters ([\d,]+), optimizer state ([\d,]+)/.exec(stderr) ?? [];
  return numbers.map((number) => Number(number.replaceAll(',', '')));
}

const tensorsOf = ({ tensors }: CheckpointReader): unknown[] =>
  Array.from(tensors.values(), ({ file: _, ...tensor }) => tensor);

const worst = (a: readonly number[], b: readonly number[]): number =>
  worstDifference(Float32Array.from(a), Float32Array.from(b));

describeMesh('a run over a mesh of devices', ({ trained, attempted, estimated }) => {
  /** Bytes of parameters and of optimizer state on each device, as a dry run estimates them. */
  const estimatedBytes = async (settings: Settings): Promise<number[]> => {
    const { memory } = await estimated(settings);
    return [memory.parameters, memory.masterWeights + memory.optimizerState!];
  };

  let alone: TrainedRun;
  beforeAll(async () => {
    alone = await trained('alone', {});
  });

  test.each([
    ['data', { mesh: { data: 8 } }, 1],
    ['fully-sharded', { mesh: { data: 8 }, sharding: 'fully-sharded' }, 8],
    ['tensor', { mesh: { model: 8 } }, 8],
    ['tensor-4x2', { mesh: { data: 4, model: 2 } }, 2],
    ['all-2x2x2', { mesh: { data: 2, fsdp: 2, model: 2 } }, 4],
  ])('%s: the losses are those of one device, in its share of the memory', async (name, settings, parts) => {
    const { outcome, losses, checkpoint } = await trained(name, settings);
    expect(losses).toHaveLength(4);
    expect(worst(losses, alone.losses)).toBeLessThan(1e-5);
    const bytes = MATRIX_BYTES / parts + NORM_BYTES;
    expect(bytesPerDevice(outcome)).toEqual([bytes, 2 * bytes]);
    expect(await estimatedBytes(settings)).toEqual([bytes, 2 * bytes]);
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
  });

  describe('with parameters in bfloat16 and float32 masters', () => {
    const NARROW = { parameterDtype: 'bfloat16' };
    let narrow: TrainedRun;
    beforeAll(async () => {
      narrow = await trained('narrow', NARROW);
    });

    test.each([
      ['fully-sharded', { mesh: { data: 8 }, sharding: 'fully-sharded' }, 8],
      ['tensor-4x2', { mesh: { data: 4, model: 2 } }, 2],
      ['all-2x2x2', { mesh: { data: 2, fsdp: 2, model: 2 } }, 4],
    ])('%s: the losses are those of one device, in its share of the memory', async (name, settings, parts) => {
      const { outcome, losses } = await trained(`narrow-${name}`, { ...NARROW, ...settings });
      expect(losses).toHaveLength(4);
      expect(worst(losses, narrow.losses)).toBeLessThan(BFLOAT16_TOLERANCE);
      // Words of two numbers are split like the numbers; masters are part of the state.
      const [words, moments] = [MATRIX_BYTES / 2 / parts + NORM_BYTES, 2 * (MATRIX_BYTES / parts + NORM_BYTES)];
      expect(bytesPerDevice(outcome)).toEqual([words, MATRIX_BYTES / parts + moments]);
      expect(await estimatedBytes({ ...NARROW, ...settings })).toEqual([words, MATRIX_BYTES / parts + moments]);
    });

    test('a run resumes on another mesh', async () => {
      await trained('narrow-moving', { ...NARROW, mesh: { data: 2, fsdp: 2, model: 2 }, steps: 2 });
      const { losses } = await trained('narrow-moving', { ...NARROW, mesh: { model: 8 } }, '--resume');
      expect(losses).toHaveLength(4);
      expect(worst(losses, narrow.losses)).toBeLessThan(BFLOAT16_TOLERANCE);
    });
  });

  test('a dry run divides the batch and the rows among the devices, and refuses what the run would refuse', async () => {
    const of = async (settings: Settings): Promise<number> => (await estimated(settings)).memory.activations!;
    const whole = await of({});
    expect(await of({ mesh: { data: 8 } })).toBe(whole / 8);
    expect(await of({ mesh: { data: 4, model: 2 } })).toBeLessThan(whole / 4);
    expect(await estimated({ mesh: { data: 4, model: 2 } })).toMatchObject({
      mesh: { axes: { data: 4, model: 2 }, batchParts: 4 },
      device: 'cpu',
    });
    await expect(estimated({ mesh: { data: 3 } })).rejects.toMatchObject({ code: 'training.mesh' });
    await expect(estimated({ sharding: 'tensor' })).rejects.toMatchObject({ code: 'training.sharding' });
  });

  test('a run resumes on another mesh, with the losses of an uninterrupted one', async () => {
    await trained('moving', { mesh: { data: 2, fsdp: 2, model: 2 }, steps: 2 });
    const { losses } = await trained('moving', { mesh: { model: 8 } }, '--resume');
    expect(losses).toHaveLength(4);
    expect(worst(losses, alone.losses)).toBeLessThan(1e-5);
  });

  test.each([
    [
      { mesh: { data: 3 } },
      /train\.batchSize is 8, which cannot be split over train\.mesh \{"data":3\} into 3 equal parts/,
    ],
    [{ mesh: { data: 16 }, batchSize: 16 }, /takes 16 devices, but cpu has 8 here/],
    [{ mesh: { modle: 2 } }, /train\.mesh\.modle: unknown key; did you mean "model"\?/],
    [{ mesh: { data: 2 }, sharding: 'tensor' }, /needs an axis "model" in train\.mesh/],
    [{ sharding: 'fully-sharded' }, /train\.mesh is missing/],
  ])('the settings %j are refused before the run begins', async (settings, message) => {
    const { status, stderr } = await attempted(settings);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  test('a mesh needs the engine pjrt', async () => {
    const { status, stderr } = await attempted(
      { mesh: { data: 2 } },
      ...['engine.mode=portable', 'engine.plugin=null'].flatMap((override) => ['--set', override]),
    );
    expect(stderr).toMatch(/needs the engine pjrt; this engine computes on one device/);
    expect(status).toBe(2);
  });
});
