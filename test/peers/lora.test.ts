/** Adapters of PEFT in Graft, and Graft's in PEFT. */
import { readHostTensors, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import type { HostArray, HostFields } from '@graft/core';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkForward, checkSteps, type LoraFixture } from '../golden/lora-cases';
import { fixture } from '../golden/reference';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('torch', 'transformers', 'safetensors', 'peft');

/** The published decoder-only models shift labels inside; here they are aligned with the logits. */
function aligned({ shape, values }: HostArray): HostTensor {
  const [rows, length] = shape;
  const shifted = Int32Array.from({ length: rows * length }, (_, i) => (i % length === length - 1 ? -100 : values[i + 1]));
  return { dtype: 'int32', shape, values: shifted };
}

const FIELDS = ['input_ids', 'attention_mask', 'decoder_input_ids', 'decoder_attention_mask', 'labels'];

type Case = readonly [name: string, settings: LoraFixture['settings'], peft: object];

const CASES: readonly Case[] = [
  ['gemma2-tiny', { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'] }, { r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] }],
  [
    'llama-tiny-untied',
    { rank: 3, alpha: 5, rslora: true, targets: ['o_proj', 'down_proj'], modulesToSave: ['lm_head', 'input_layernorm'] },
    { r: 3, lora_alpha: 5, use_rslora: true, target_modules: ['o_proj', 'down_proj'], modules_to_save: ['lm_head', 'input_layernorm'] },
  ],
  ['qwen3-tiny', { rank: 2, targets: 'all-linear' }, { r: 2, lora_alpha: 2, target_modules: 'all-linear', task_type: 'CAUSAL_LM' }],
  ['gemma3-tiny', { rank: 2, targets: 'all-linear' }, { r: 2, lora_alpha: 2, target_modules: 'all-linear', task_type: 'CAUSAL_LM' }],
  [
    't5gemma-tiny-balanced',
    { rank: 4, alpha: 8, targets: 'all-linear' },
    { r: 4, lora_alpha: 8, target_modules: 'all-linear', task_type: 'SEQ_2_SEQ_LM' },
  ],
  [
    't5gemma2-tiny',
    { rank: 2, alpha: 4, targets: 'model\\.(en|de)coder\\.layers\\..*_proj' },
    { r: 2, lora_alpha: 4, target_modules: '.*\\.(text_model|decoder)\\.layers\\..*_proj' },
  ],
];

describeIf(isThere, "PEFT is not installed; `npm run test:peers` does it", 'low-rank adaptation beside PEFT', () => {
  const base = temporaryFolder();

  async function made([name, settings, peft]: Case): Promise<LoraFixture> {
    const model = fixture(name)!;
    const expected = await readHostTensors(join(model, 'expected.safetensors'));
    const isPair = 'decoder_input_ids' in expected;
    const labels = (expected.labels as HostTensor | undefined) ?? expected.input_ids;
    const given = Object.fromEntries(FIELDS.filter((field) => field in expected).map((field) => [field, expected[field]]));
    const inputs = { ...given, labels: isPair ? labels : aligned(labels as HostArray) };
    const folder = join(base, name);
    const [file, options] = [join(base, `${name}.safetensors`), join(base, `${name}.json`)];
    await writeHostTensors(file, inputs);
    writeFileSync(options, JSON.stringify(peft));
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'lora.py'), model, file, folder, options], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    // T5Gemma's published window (quirk 1).
    return { model, folder, inputs: inputs as HostFields, settings, ...(name.startsWith('t5gemma-') && { encoderWindow: 'inclusive' }) };
  }

  test.each(CASES)('%s: the same adapter gives the same logits, gradients and steps of AdamW', async (...given) => {
    const peft = await made(given);
    await checkForward(peft, 'portable');
    const scratch = join(base, `${given[0]}-run`);
    mkdirSync(scratch);
    await checkSteps(peft, 'portable', scratch);
  }, 300_000);
});
