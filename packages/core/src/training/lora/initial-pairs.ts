/** The parameters with which training begins under `train.lora`. */
import { crc32, digestOf, formatDigest } from '@graft/checkpoint/internal';
import { ConfigError, tf } from '@graft/engine';
import { readPieces } from '@graft/engine/internal';
import type { RandomStream } from '../../random/streams';
import { Adapter } from './adapter';
import { factorOf, type LoraSettings } from '../../config/lora-section';
import type { LoraModel } from './lora-model';

/** The name of the stream of random numbers, below that of the initializer. */
const STREAM = 'lora';

/** Random A and zero B for each target: the model computes what its base computes. The consumer owns the tensors. */
export async function* newPairs(
  { base, pairs, settings }: LoraModel,
  random: RandomStream,
): AsyncGenerator<readonly [string, tf.Tensor]> {
  for (const { name, shape } of base.parameters) {
    const names = pairs.get(name);
    if (!names) continue;
    const [out, width] = shape;
    const own = random.fork(STREAM).fork(name);
    yield [names.a, tf.tensor2d(initialA(settings, width, own), [settings.rank, width])];
    yield [names.b, tf.zeros([out, settings.rank])];
  }
}

/** As PEFT begins: `kaiming` is torch's initialization of a linear layer, uniform within 1 / sqrt(width). */
function initialA({ rank, init }: LoraSettings, width: number, random: RandomStream): Float32Array {
  const values = new Float32Array(rank * width);
  if (init === 'gaussian') {
    random.fillNormal(values, 1 / rank);
    return values;
  }
  const bound = 1 / Math.sqrt(width);
  for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1);
  return values;
}

/**
 * The pairs of an adapter, and what it contains completely. Throws ConfigError if it has other targets or another rank
 * than the config. The consumer owns the tensors.
 */
export async function* savedPairs(model: LoraModel, folder: string): AsyncGenerator<readonly [string, tf.Tensor]> {
  const adapter = await Adapter.open(folder, model.base);
  try {
    checkAgreement(model, adapter);
    for (const [weight, stored] of adapter.pairs) {
      const names = model.pairs.get(weight)!;
      yield [names.a, await adapter.read(stored.a)];
      yield [names.b, await adapter.read(stored.b)];
    }
    for (const [name, info] of adapter.complete) yield [name, await adapter.read(info)];
  } finally {
    await adapter.close();
  }
}

function checkAgreement({ settings, pairs, complete }: LoraModel, adapter: Adapter): void {
  const { config, path, factor } = adapter;
  const differ = (what: string, hint: string): ConfigError =>
    new ConfigError(`train.lora.from: ${path} ${what}.`, { code: 'lora.from', exitCode: 2, hint });
  if (config.rank !== settings.rank)
    throw differ(`has the rank ${config.rank}, but train.lora.rank is ${settings.rank}`, 'Set train.lora.rank to it.');
  if (factor !== factorOf(settings))
    throw differ(
      `multiplies its products by ${factor}, but train.lora says ${factorOf(settings)}`,
      `Set train.lora.alpha: ${config.alpha} and rslora: ${config.rslora}.`,
    );
  const missing = [...pairs.keys()].find((name) => !adapter.pairs.has(name));
  if (missing !== undefined)
    throw differ(
      `has no pair for "${missing}", which train.lora.targets names`,
      'Make train.lora.targets its modules.',
    );
  const extra = [...adapter.pairs.keys()].find((name) => !pairs.has(name));
  if (extra !== undefined)
    throw differ(
      `has a pair for "${extra}", which train.lora.targets does not name`,
      'Make train.lora.targets its modules.',
    );
  const other = [...adapter.complete.keys()].find((name) => !complete.has(name));
  if (other !== undefined)
    throw differ(`contains "${other}" completely`, 'Name its module in train.lora.modulesToSave.');
}

/** A digest of the frozen weights, one by one, by which a resumed run recognizes them. */
export class FrozenDigest {
  private readonly lines: string[] = [];

  async add(name: string, value: tf.Tensor): Promise<void> {
    let crc = 0;
    for await (const { buffer, byteOffset, byteLength } of readPieces(value))
      crc = crc32(new Uint8Array(buffer, byteOffset, byteLength), crc);
    this.lines.push(`${name} ${formatDigest(crc)}`);
  }

  /** Eight hexadecimal digits, whatever the order. */
  get value(): string {
    return digestOf([...this.lines].sort().join('\n'));
  }
}
