/** Shapes: B batch, S source length, T target length, V vocabulary. */
import {
  createRandom,
  LoraModel,
  tokensOfSide,
  type BatchTensors,
  type Model,
  type ModelFamily,
  type Parameters,
} from '@graft/core';
import { describeLost } from '@graft/core/internal';
import { tf, valueAndGradients } from '@graft/engine';
import { check, type Check, type Make } from '../check';
import { openStrictEngine } from '../engine/strict-engine';
import { randomParameters } from '../toys/model';
import { isFiniteList, numberDifference, tensorCount, valuesDifference, valuesOf } from '../values';

/** What a model family is tested with. */
export interface ModelFamilyOptions {
  /** The checkpoint's config that the family is given. Default: none. */
  readonly checkpointConfig?: Record<string, unknown>;
  /** Parameters for forward passes. Default: random ones. */
  readonly parameters?: (model: Model) => Parameters;
  /** Largest difference between numbers that are to be equal, relative to 1 or to the number. Default 1e-4. */
  readonly tolerance?: number;
}

const [ROWS, SOURCE, TARGET] = [2, 6, 5];
const PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding', 'head'];

const LORA = { rank: 2, dropout: 0, rslora: false, init: 'kaiming', save: 'adapter' } as const;

function randomIds(model: Model, name: 'source' | 'target', length: number): tf.Tensor2D {
  const random = createRandom(9).fork(name);
  const { vocabularySize } = tokensOfSide(model, name === 'source' ? 'encoder' : 'decoder');
  const ids = Int32Array.from({ length: ROWS * length }, () => random.integer(vocabularySize));
  return tf.tensor2d(ids, [ROWS, length], 'int32');
}

const ones = (length: number): tf.Tensor2D => tf.ones([ROWS, length], 'int32');

/** Fields of a forward pass without masks. */
function fieldsFor(model: Model): Record<string, tf.Tensor> {
  const source = { input_ids: randomIds(model, 'source', SOURCE) };
  if (model.kind !== 'encoder-decoder') return source;
  return { ...source, decoder_input_ids: randomIds(model, 'target', TARGET) };
}

/** Logits, or what an encoder returns. */
function outputOf(model: Model, parameters: Parameters, fields: BatchTensors): tf.Tensor {
  const outputs = model.forward(parameters, fields);
  if (model.kind !== 'encoder-only') return outputs.logits;
  return outputs.encoderStates ?? model.representation!.states(parameters, fields);
}

/** [B, L + 2] with the pad token at the end; or with zeros, for a mask. */
const padded = (tensor: tf.Tensor, value: number): tf.Tensor =>
  tf.concat([tensor, tf.fill([ROWS, 2], value, 'int32')], 1);

/** Checks of a ModelFamily and of the model that it builds: parameters, outputs, masks, gradients, head and representation. */
export function model(
  make: Make<ModelFamily>,
  { checkpointConfig, parameters: makeParameters = randomParameters, tolerance = 1e-4 }: ModelFamilyOptions = {},
): readonly Check[] {
  const build = async (): Promise<Model> => (await make()).build(checkpointConfig);
  const withModel = async (use: (made: Model, parameters: Parameters) => void): Promise<void> => {
    const made = await build();
    tf.tidy(() => use(made, makeParameters(made)));
  };
  const compare = (first: tf.Tensor, second: tf.Tensor): string | undefined =>
    first.shape.join() === second.shape.join()
      ? numberDifference(first.dataSync(), second.dataSync(), tolerance)
      : `shape [${first.shape.join(', ')}] against [${second.shape.join(', ')}]`;

  return [
    check(
      'model',
      'Model.parameters',
      'parameters have distinct names, positive shapes and a known part',
      async (broken) => {
        const { parameters } = await build();
        const seen = new Set<string>();
        for (const { name, shape, part, initial } of parameters) {
          if (seen.has(name)) broken(`"${name}" is listed twice; tied tensors appear once.`);
          seen.add(name);
          if (!shape.every((size) => Number.isInteger(size) && size > 0))
            broken(`"${name}" has shape [${shape.join()}].`);
          if (!PARTS.includes(part)) broken(`"${name}" belongs to the part "${part}".`);
          if (initial !== 'normal' && initial !== 'zeros') broken(`"${name}" has the initial "${String(initial)}".`);
        }
        if (seen.size === 0) broken('the model has no parameters.');
      },
    ),
    check(
      'model',
      'Model.checkpointConfig',
      'the config of a model is plain JSON and builds the same model',
      async (broken) => {
        const [family, made] = [await make(), await build()];
        const problem = describeLost(made.checkpointConfig);
        if (problem !== undefined) broken(`checkpointConfig ${problem}.`);
        const again = family.build(JSON.parse(JSON.stringify(made.checkpointConfig)) as Record<string, unknown>);
        for (const part of ['kind', 'vocabularySize', 'parameters'] as const)
          if (JSON.stringify(again[part]) !== JSON.stringify(made[part]))
            broken(`${part} was ${JSON.stringify(made[part])}, and is ${JSON.stringify(again[part])}.`);
      },
    ),
    check('model', 'Model.specialTokens', 'special tokens are ids of the vocabulary', async (broken) => {
      const made = await build();
      for (const side of ['encoder', 'decoder'] as const) {
        const { vocabularySize, specialTokens } = tokensOfSide(made, side);
        const { pad, start, eos } = specialTokens;
        for (const id of [pad, start, ...eos])
          if (!Number.isInteger(id) || id < 0 || id >= vocabularySize)
            broken(`${id} is not an id of a vocabulary of ${vocabularySize} tokens.`);
      }
    }),
    check('model', 'Model.forward', 'forward returns finite float32 outputs of the declared shape', async (broken) => {
      await withModel((made, parameters) => {
        const fields = fieldsFor(made);
        const output = outputOf(made, parameters, fields);
        const { encoderStates } = made.forward(parameters, fields);
        const length = made.kind === 'encoder-decoder' ? TARGET : SOURCE;
        const width = made.kind === 'encoder-only' ? output.shape[2] : made.vocabularySize;
        if (output.shape.join() !== [ROWS, length, width].join())
          broken(`the output has shape [${output.shape.join(', ')}], not [${ROWS}, ${length}, ${width}].`);
        if (output.dtype !== 'float32') broken(`the output is ${output.dtype}.`);
        if (!isFiniteList(output.dataSync())) broken('the output has numbers that are not finite.');
        const states = encoderStates?.shape;
        if (states && (states.length !== 3 || states[0] !== ROWS || states[1] !== SOURCE))
          broken(`encoderStates has shape [${states.join(', ')}], not [${ROWS}, ${SOURCE}, width].`);
      });
    }),
    check(
      'model',
      'Model.forward',
      'forward is pure, compiled or not, and leaves no tensors behind',
      async (broken) => {
        const [made, engine] = [await build(), await openStrictEngine()];
        const parameters = makeParameters(made);
        const fields = fieldsFor(made);
        const values = valuesOf(parameters);
        const forward = engine.jit((own: Parameters, given: typeof fields) => outputOf(made, own, given), {
          name: 'forward',
        });
        const before = tensorCount();
        const results = [forward(parameters, fields), forward(parameters, fields)];
        const plain = tf.tidy(() => outputOf(made, parameters, fields));
        const differences = results.map((result) => compare(result, plain));
        tf.dispose([results, plain] as tf.TensorContainer);
        const left = tensorCount() - before;
        const changed = valuesDifference(values, valuesOf(parameters));
        tf.dispose([parameters, fields] as tf.TensorContainer);
        forward.dispose();
        if (differences.some((difference) => difference !== undefined))
          broken(`compiled and direct outputs differ: ${differences.find(Boolean)}.`);
        if (changed !== undefined) broken(`forward changed the parameter ${changed}.`);
        if (left !== 0) broken(`three calls left ${left} tensors.`);
      },
    ),
    check(
      'model',
      'Model.forward',
      'padding behind a mask of 0 changes no output, nor does a mask of ones',
      async (broken) => {
        await withModel((made, parameters) => {
          const fields = fieldsFor(made);
          const plain = outputOf(made, parameters, fields);
          const masks: Record<string, tf.Tensor> = { attention_mask: ones(SOURCE) };
          if (made.kind === 'encoder-decoder') masks.decoder_attention_mask = ones(TARGET);
          const withOnes = compare(plain, outputOf(made, parameters, { ...fields, ...masks }));
          if (withOnes !== undefined) broken(`with masks of ones, ${withOnes}.`);
          const padOf = (name: string): number =>
            tokensOfSide(made, name === 'input_ids' ? 'encoder' : 'decoder').specialTokens.pad;
          const longer = Object.fromEntries([
            ...Object.entries(fields).map(([name, ids]) => [name, padded(ids, padOf(name))] as const),
            ...Object.entries(masks).map(([name, mask]) => [name, padded(mask, 0)] as const),
          ]);
          const output = outputOf(made, parameters, longer);
          const difference = compare(plain, tf.slice(output, [0, 0, 0], [ROWS, plain.shape[1]!, plain.shape[2]!]));
          if (difference !== undefined) broken(`with two padding tokens, ${difference}.`);
        });
      },
    ),
    check('model', 'Model.forward', 'logits do not depend on later tokens or on other rows', async (broken) => {
      await withModel((made, parameters) => {
        if (made.kind === 'encoder-only') return;
        const name = made.kind === 'encoder-decoder' ? 'decoder_input_ids' : 'input_ids';
        const fields = fieldsFor(made);
        const plain = outputOf(made, parameters, fields);
        const length = fields[name].shape[1]!;
        const begin = [0, 0, 0];
        const size = [ROWS, length - 1, made.vocabularySize];
        const last = tf.slice(fields[name], [0, length - 1], [ROWS, 1]);
        const other = tf.mod(tf.add(last, tf.scalar(1, 'int32')), tf.scalar(made.vocabularySize, 'int32')).toInt();
        const changed = tf.concat([tf.slice(fields[name], [0, 0], [ROWS, length - 1]), other], 1);
        const output = outputOf(made, parameters, { ...fields, [name]: changed });
        const later = compare(tf.slice(plain, begin, size), tf.slice(output, begin, size));
        if (later !== undefined) broken(`with another last token, an earlier logit changes: ${later}.`);
        const first = Object.fromEntries(Object.entries(fields).map(([key, ids]) => [key, tf.slice(ids, 0, 1)]));
        const alone = compare(tf.slice(plain, 0, 1), outputOf(made, parameters, first));
        if (alone !== undefined) broken(`without the other row, ${alone}.`);
      });
    }),
    check('model', 'Model.forward', 'gradients of the output reach every parameter', async (broken) => {
      await withModel((made, parameters) => {
        const fields = fieldsFor(made);
        const { gradients } = valueAndGradients((own) => {
          const output = outputOf(made, own, fields);
          // Weights that differ by position: a plain sum of normalized outputs may have no gradient.
          const weights = tf.reshape(tf.sin(tf.range(0, output.size)), output.shape);
          return { loss: tf.sum(tf.mul(output, weights)), auxiliary: {} };
        }, parameters);
        const reached = made.kind === 'encoder-only' ? made.representation?.parameters : undefined;
        for (const { name } of made.parameters) {
          if (reached && !reached.includes(name)) continue;
          const values = gradients[name]?.dataSync();
          if (!values || !isFiniteList(values)) return broken(`the gradient of "${name}" is missing or not finite.`);
          if (values.every((value) => value === 0)) broken(`the gradient of "${name}" is 0 everywhere.`);
        }
      });
    }),
    check(
      'model',
      'Model.head',
      'head and representation agree with forward and name their parameters',
      async (broken) => {
        await withModel((made, parameters) => {
          const known = new Set(made.parameters.map(({ name }) => name));
          const unknown = [...(made.head?.parameters ?? []), ...(made.representation?.parameters ?? [])].find(
            (name) => !known.has(name),
          );
          if (unknown !== undefined) broken(`"${unknown}" is not a parameter of the model.`);
          const fields = fieldsFor(made);
          if (made.head) {
            const { head } = made;
            const only = Object.fromEntries(head.parameters.map((name) => [name, parameters[name]]));
            const logits = head.logits(only, head.rows(parameters, fields));
            const difference = compare(logits, tf.reshape(outputOf(made, parameters, fields), logits.shape));
            if (difference !== undefined) broken(`the logits of head differ from those of forward: ${difference}.`);
          }
          if (made.representation) {
            const { representation } = made;
            const only = Object.fromEntries(representation.parameters.map((name) => [name, parameters[name]]));
            const states = representation.states(only, { input_ids: fields.input_ids });
            const expected = [ROWS, SOURCE, representation.width].join(', ');
            if (states.shape.join(', ') !== expected)
              broken(`the representation has shape [${states.shape.join(', ')}], not [${expected}].`);
          }
        });
      },
    ),
    check(
      'model',
      'Model.readsSeveralTargets',
      'several targets of a source have the outputs that each has alone',
      async (broken) => {
        await withModel((made, parameters) => {
          if (!made.readsSeveralTargets || made.kind !== 'encoder-decoder') return;
          const { decoder_input_ids: targets, ...source } = fieldsFor(made);
          const others = tf.reverse(targets, 1);
          const [rows, length] = targets.shape as [number, number];
          const both = tf.reshape(tf.stack([targets, others], 1), [2 * rows, length]);
          const output = outputOf(made, parameters, { ...source, decoder_input_ids: both });
          const inTurn = tf.reshape(output, [rows, 2, ...output.shape.slice(1)]);
          for (const [i, own] of [targets, others].entries()) {
            const alone = outputOf(made, parameters, { ...source, decoder_input_ids: own });
            const part = tf.reshape(tf.slice(inTurn, [0, i, 0, 0], [rows, 1, -1, -1]), alone.shape);
            const difference = compare(alone, part as tf.Tensor3D);
            if (difference !== undefined) broken(`target ${i + 1} of each source differs: ${difference}.`);
          }
        });
      },
    ),
    check(
      'model',
      'Model.readsPairs',
      'low-rank pairs have the effect of matrices to which their products have been added',
      async (broken) => {
        await withModel((made, parameters) => {
          // Without it, core adds the products itself.
          if (!made.readsPairs) return;
          if (!made.parameters.some(({ linear }) => linear))
            return broken('readsPairs is set, but no parameter is marked as `linear`.');
          const lora = new LoraModel(made, { ...LORA, targets: 'all-linear' });
          const pairs = makeParameters(lora);
          const all = { ...pairs, ...parameters };
          const fields = fieldsFor(made);
          const difference = compare(outputOf(lora, all, fields), outputOf(made, lora.merged(all), fields));
          if (difference !== undefined) broken(`with pairs, the output differs: ${difference}.`);
          for (const weight of lora.pairs.keys()) {
            const without = { ...lora.merged(all), [weight]: parameters[weight] };
            if (compare(outputOf(lora, all, fields), outputOf(made, without, fields)) === undefined)
              broken(`the pair of "${weight}" has no effect on the output.`);
          }
        });
      },
    ),
  ];
}
