import { temporaryFolder } from '@graft/test-support';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointReader } from '../folder/checkpoint-reader';
import { writeSafetensors, type TensorSource } from '../safetensors/writer';
import { adapterConfigJson, readAdapterConfig, type AdapterConfig } from './adapter-config';
import { AdapterReader, adapterTensors } from './adapter-reader';

const CONFIG: AdapterConfig = {
  rank: 2,
  alpha: 4,
  rslora: false,
  dropout: 0.1,
  targetModules: ['model.q_proj'],
  modulesToSave: ['model.norm'],
  baseModel: 'base',
};
const JSON_OF = adapterConfigJson(CONFIG, { task: 'CAUSAL_LM', keepsTies: true });
const NAMES = adapterTensors('model.q_proj');

const tensor = (name: string, shape: number[]): TensorSource => ({
  name,
  dtype: 'F32',
  shape,
  data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
});
const PAIR = [tensor(NAMES.a, [2, 3]), tensor(NAMES.b, [5, 2])];

let count = 0;
async function folderWith(tensors: readonly TensorSource[], config: object = JSON_OF): Promise<string> {
  const folder = join(temporaryFolder(), String(count++));
  mkdirSync(folder);
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  return folder;
}

describe('the config of an adapter', () => {
  test('what Graft writes is read back, and says to PEFT what it says to Graft', () => {
    expect(readAdapterConfig(JSON_OF, 'x')).toEqual(CONFIG);
    expect(JSON_OF).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 4, bias: 'none', ensure_weight_tying: true });
  });

  test.each([
    [{ use_dora: true }, '"use_dora" is true, and Graft does not read weight-decomposed pairs (DoRA).'],
    [{ bias: 'all' }, '"bias" is "all", and Graft does not read trained biases.'],
    [{ peft_type: 'LOHA' }, '"peft_type" is "LOHA", and Graft does not read adapters of methods other than LoRA.'],
    [{ rank_pattern: { q: 4 } }, '"rank_pattern" is {"q":4}, and Graft does not read ranks by module.'],
    [
      { init_lora_weights: 'pissa' },
      '"init_lora_weights" is "pissa", and Graft does not read adapters of base weights that their initialization has changed.',
    ],
    [{ next_year: 3 }, '"next_year" is 3, and Graft does not read adapters with this setting.'],
  ])('%j is refused in a sentence that names it', (change, message) => {
    expect(() => readAdapterConfig({ ...JSON_OF, ...change }, 'f')).toThrow(
      expect.objectContaining({ message: `f: ${message}`, code: 'adapter.unsupported', exitCode: 2 }) as Error,
    );
  });

  test.each([
    [{ r: 0 }, '"r" is 0; expected an integer of at least 1.'],
    [{ r: undefined }, '"r" is missing; expected an integer of at least 1.'],
    [{ lora_alpha: 'x' }, '"lora_alpha" is "x"; expected a number.'],
    [{ lora_dropout: 1 }, '"lora_dropout" is 1; expected a number in [0, 1).'],
    [{ use_rslora: 1 }, '"use_rslora" is 1; expected true or false.'],
    [{ target_modules: [1] }, '"target_modules" is [1]; expected a list of names, or a pattern.'],
    [{ modules_to_save: 'x' }, '"modules_to_save" is "x"; expected a list of names.'],
    [{ peft_type: undefined }, '"peft_type" is missing; expected "LORA".'],
  ])('%j is reported with what was expected', (change, message) => {
    expect(() => readAdapterConfig({ ...JSON_OF, ...change }, 'f')).toThrow(`f: ${message}`);
  });
});

describe('an adapter', () => {
  test('its tensors are pairs and complete parameters', async () => {
    const saved = tensor('base_model.model.model.norm.weight', [3]);
    const reader = await AdapterReader.open(await folderWith([...PAIR, saved]));
    expect([...reader.pairs.keys()]).toEqual(['model.q_proj']);
    expect([...reader.complete.keys()]).toEqual(['model.norm.weight']);
    expect(await reader.readFloat32(reader.pairs.get('model.q_proj')!.a)).toHaveLength(6);
    await reader.close();
  });

  test.each([
    ['no prefix', [tensor('model.q_proj.lora_A.weight', [2, 3])], 'does not begin with "base_model.model."'],
    ['an A alone', [PAIR[0]], '"model.q_proj" has an A without its B.'],
    ['another rank', [tensor(NAMES.a, [3, 3]), tensor(NAMES.b, [5, 3])], 'are not of the rank 2'],
    ['an embedding', [tensor('base_model.model.e.lora_embedding_A', [2, 3])], 'is neither A nor B of a linear layer'],
  ])('a file with %s is refused', async (_, tensors, message) => {
    await expect(AdapterReader.open(await folderWith(tensors))).rejects.toThrow(message);
  });

  test('a folder without one and a folder with nothing else have errors of their own', async () => {
    await expect(AdapterReader.open(temporaryFolder())).rejects.toMatchObject({
      code: 'adapter.missing',
      message: expect.stringMatching(/holds no adapter: adapter_config\.json is not there\.$/) as string,
    });
    await expect(CheckpointReader.open(await folderWith(PAIR))).rejects.toMatchObject({ code: 'adapter.alone' });
  });
});
