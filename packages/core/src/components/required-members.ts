import type { ComponentTypes, InterfaceName } from '../interfaces';

type Kind = 'function' | 'number' | 'text' | 'list';

/** The required members of each interface, for plugins that were not compiled against the types. */
export const REQUIRED_MEMBERS: {
  readonly [I in InterfaceName]: Readonly<Partial<Record<keyof ComponentTypes[I], Kind>>>;
} = {
  model: { build: 'function' },
  initializer: { checkpointConfig: 'function', parameters: 'function' },
  objective: { inputFields: 'function', batchFields: 'list', prepare: 'function', loss: 'function' },
  optimizer: { learningRate: 'number', init: 'function', update: 'function' },
  schedule: { factor: 'function' },
  dataset: {
    kind: 'text',
    fields: 'list',
    position: 'function',
    restore: 'function',
    [Symbol.asyncIterator]: 'function',
  },
  evaluator: { evaluate: 'function' },
  tokenizer: {
    vocabularySize: 'number',
    padId: 'number',
    bosId: 'number',
    eosId: 'number',
    encode: 'function',
    decode: 'function',
  },
  tracker: { start: 'function', log: 'function', finish: 'function' },
  callback: {},
};

const KINDS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  function: (value) => typeof value === 'function',
  number: (value) => typeof value === 'number',
  text: (value) => typeof value === 'string',
  list: Array.isArray,
};

/** The first required member that is missing or has the wrong type: `the function "update"`. */
export function missingMember(interface_: InterfaceName, component: object): string | undefined {
  const required = REQUIRED_MEMBERS[interface_] as Readonly<Record<PropertyKey, Kind>>;
  const lost = Reflect.ownKeys(required).find(
    (name) => !KINDS[required[name]]((component as Record<PropertyKey, unknown>)[name]),
  );
  return lost === undefined
    ? undefined
    : `the ${required[lost]} ${typeof lost === 'symbol' ? `[${lost.description}]` : `"${lost}"`}`;
}
