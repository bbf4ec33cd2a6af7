import { Option } from 'commander';
import { integer } from './options';

/** The settings of a training whose memory `graft inspect --preset` estimates. */
export function trainingOptions(): Option[] {
  const dtype = (flag: string, what: string, ...dtypes: readonly string[]): Option =>
    new Option(`${flag} <dtype>`, `with --preset: ${what}`).choices(dtypes).default(dtypes[0]);
  return [
    new Option('--batch-size <n>', 'with --preset: examples of a training step, for its memory')
      .argParser(integer(1))
      .default(1),
    dtype('--precision', 'operands of matrix products in training', 'float32', 'bfloat16'),
    dtype('--parameter-dtype', 'dtype of the parameters in training', 'float32', 'bfloat16'),
    dtype('--master-weights', 'copy of bfloat16 parameters that the optimizer updates', 'float32', 'none'),
    dtype('--moments', 'dtype of the moments of adamw', 'float32', 'bfloat16', 'int8'),
    new Option('--optimizer <id>', 'with --preset: optimizer in training')
      .choices(['adamw', 'adafactor', 'lion'])
      .default('adamw'),
    new Option('--rematerialize', 'with --preset: blocks are computed again for the gradient, as model.rematerialize'),
    new Option(
      '--attention <method>',
      'with --preset: how whole sequences attend, as model.attention; auto: in blocks from 4,096 tokens on',
    )
      .choices(['auto', 'whole', 'blocked', 'fused'])
      .default('auto'),
    new Option(
      '--lora-rank <n>',
      'with --preset: only low-rank pairs of this rank train, as train.lora (default: everything trains)',
    ).argParser(integer(1)),
    new Option(
      '--lora-targets <names>',
      'with --lora-rank: all-linear, or a comma-separated list, as train.lora.targets',
    ).default('all-linear'),
    new Option('--chunk-tokens <n>', 'with --preset: tokens whose logits are in memory together').argParser(integer(1)),
  ];
}
