/** Runs over a mesh of eight virtual devices of the PJRT plugin for CPUs, beside the same run on one of them. */
import { describeMesh, type Settings } from '../support/mesh-runs';
import { meshCases, narrowMeshCases } from './mesh-cases';

describeMesh('a run over a mesh of devices', (runs) => {
  const { attempted, estimated } = runs;

  // The slow tests have other combinations of the axes.
  meshCases(runs, [
    ['data', { mesh: { data: 8 } }, 1],
    ['fully-sharded', { mesh: { data: 8 }, sharding: 'fully-sharded' }, 8],
    ['tensor', { mesh: { model: 8 } }, 8],
    ['all-2x2x2', { mesh: { data: 2, fsdp: 2, model: 2 } }, 4],
  ]);
  narrowMeshCases(runs, [['all-2x2x2', { mesh: { data: 2, fsdp: 2, model: 2 } }, 4]]);

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
