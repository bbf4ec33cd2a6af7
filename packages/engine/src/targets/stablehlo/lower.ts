import { EngineError } from '@graft/errors';
import type { Sharding } from '../../mesh/sharding';
import { findOperation } from '../../program/operations';
import type { OperationNode, Program, Value } from '../../program/program';
import { Emitter, type Hlo } from './emitter';
import { meshText, shardingAttribute, type ProgramSharding } from './shardy';
import { findRule } from './rules';
import { typeText, Unsupported } from './types';

/** How a program is lowered. */
export interface LoweringOptions extends Donation {
  /** The platform of the compiler, as PJRT names it: "cpu", "cuda". */
  readonly platform?: string;
}

/** Arguments whose memory a run may take, by position among all inputs (arguments, then captures). */
export interface Donation {
  /** Which input gives its memory to which result: input by result. */
  readonly replacements?: ReadonlyMap<number, number>;
  /** Inputs that are given up without a certain result. */
  readonly donors?: ReadonlySet<number>;
}

export interface LoweringOptions extends Donation {
  /** How the program is split over a mesh. Default: it is for one device. */
  readonly sharding?: ProgramSharding;
}

/**
 * The program as the text of an MLIR module in StableHLO. Its function `main` takes the program's arguments in order,
 * then its captures, and returns the results. Throws EngineError for an operation that has no rule.
 */
export function lowerToStableHlo(
  program: Program,
  { replacements, donors, sharding, platform }: LoweringOptions = {},
): string {
  const to = new Emitter(platform, sharding?.axes);
  const known = new Map<Value, Hlo>();
  const inputs = [...program.arguments, ...program.captures].map(({ outputs: [value] }, at): Hlo => {
    const input = { name: `%arg${at}`, dtype: value.dtype, shape: value.shape };
    known.set(value, input);
    return input;
  });
  // Constants are written where they are used first: many are host operands, which only rules read.
  const find = (value: Value): Hlo => {
    const found = known.get(value);
    if (found) return found;
    const { producer } = value;
    if (producer.kind !== 'constant') throw new Error(`a value of ${producer.kind} is used before it is computed`);
    const constant = to.constant(value, producer.bytes);
    known.set(value, constant);
    return constant;
  };
  for (const node of program.nodes)
    if (node.kind === 'operation')
      lowerOperation(program.name, node, to, find).forEach((value, i) => known.set(node.outputs[i], value));
  const results = program.results.map(find);

  const aliased = new Map([...(replacements ?? [])].map(([result, input]) => [input, result]));
  const parameters = inputs.map((input, at) => {
    const result = aliased.get(at);
    const donated =
      result !== undefined
        ? [`tf.aliasing_output = ${result} : i32`]
        : donors?.has(at)
          ? ['jax.buffer_donor = true']
          : [];
    return `${input.name}: ${typeText(input)}${attributesText([...donated, ...splitBy(sharding?.inputs[at])])}`;
  });
  const types = results.map(typeText).join(', ');
  const resultTypes = results.map((type, at) => `${typeText(type)}${attributesText(splitBy(sharding?.results[at]))}`);
  return [
    `module @${moduleName(program.name)} {`,
    ...(sharding ? [`  ${meshText(sharding.axes)}`] : []),
    `  func.func public @main(${parameters.join(', ')}) -> (${resultTypes.join(', ')}) {`,
    ...to.lines.map((line) => `    ${line}`),
    `    "func.return"(${results.map(({ name }) => name).join(', ')}) : (${types}) -> ()`,
    '  }',
    '}',
    '',
  ].join('\n');
}

const splitBy = (sharding: Sharding | undefined): string[] =>
  sharding ? [`sdy.sharding = ${shardingAttribute(sharding)}`] : [];

const attributesText = (attributes: readonly string[]): string =>
  attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;

const moduleName = (name: string): string => `graft_${name.replaceAll(/\W/g, '_')}`;

function lowerOperation(jit: string, node: OperationNode, to: Emitter, find: (value: Value) => Hlo): readonly Hlo[] {
  const { op, attributes, inputs, outputs } = node;
  const rule = findRule(op);
  if (!rule) throw refusal(jit, node);
  const hosts = (findOperation(op)?.hostOperands ?? []).map((at) => (at < 0 ? at + inputs.length : at));
  // Host operands are read by rules, not computed with; a name stands for them in case one is.
  const given = inputs.map((value, at) => {
    const isHost = hosts.includes(at) && value.producer.kind === 'constant';
    return isHost ? { name: '%host', dtype: value.dtype, shape: value.shape } : find(value);
  });
  try {
    const lowered = rule({ op, attributes, inputs: given, values: inputs, types: outputs, to });
    const results: readonly Hlo[] = Array.isArray(lowered) ? (lowered as readonly Hlo[]) : [lowered as Hlo];
    outputs.forEach((type, at) => {
      if (typeText(results[at]) !== typeText(type))
        throw new Error(`${op} was lowered to ${typeText(results[at])}, but the program has ${typeText(type)}`);
    });
    return results;
  } catch (error) {
    if (error instanceof Unsupported) throw refusal(jit, node, error.message);
    throw error;
  }
}

function refusal(jit: string, { op, calledAt }: OperationNode, why?: string): EngineError {
  const reason = why === undefined ? '' : `: ${why}`;
  return new EngineError(
    `${op} cannot be compiled to StableHLO; jit "${jit}" calls it${calledAt ? ` at ${calledAt}` : ''}${reason || '.'}`,
    {
      code: 'engine.unknown-operation',
      hint: 'Compute this part outside the compiled function, or run the function on the TensorFlow target.',
    },
  );
}
