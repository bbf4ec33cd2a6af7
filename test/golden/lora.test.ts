/**
 * Adapters of PEFT: the same logits, gradients and steps. The fixtures are what test/peers/lora.py writes, called in
 * their folder: `lora.py llama-tiny lora-llama/inputs.safetensors lora-llama lora-llama/settings.json`.
 */
import { readHostTensors } from '@graft/checkpoint';
import type { HostFields } from '@graft/core';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { checkForward, checkSteps, type LoraFixture } from './lora-cases';
import { fixture, QUICK_NATIVE_MODES } from './reference';

type Given = Omit<LoraFixture, 'model' | 'folder' | 'inputs'>;

const CASES: Readonly<Record<string, readonly [base: string, given: Given]>> = {
  'lora-llama': [
    'llama-tiny',
    { settings: { rank: 2, alpha: 3, rslora: true, targets: ['q_proj', 'down_proj'], modulesToSave: ['norm'] } },
  ],
  'lora-t5gemma': [
    't5gemma-tiny-balanced',
    {
      settings: { rank: 2, alpha: 4, targets: 'model\\.decoder\\.layers\\.1\\..*(q_proj|up_proj)' },
      encoderWindow: 'inclusive',
    },
  ],
};
const MODES = ['portable', ...QUICK_NATIVE_MODES.filter((mode) => mode === 'graph')] as const;

describe.each(Object.keys(CASES))('the adapter %s of PEFT', (name) => {
  const made = async (): Promise<LoraFixture> => {
    const [base, given] = CASES[name];
    const folder = fixture(name)!;
    const inputs = (await readHostTensors(join(folder, 'inputs.safetensors'))) as HostFields;
    return { ...given, model: fixture(base)!, folder, inputs };
  };

  test.each(MODES)('gives the same logits and gradients on %s, also merged', async (mode) =>
    checkForward(await made(), mode),
  );

  test('gives the same losses and pairs in three steps of AdamW', async () =>
    checkSteps(await made(), 'portable', temporaryFolder()));
});
