import type { ParameterSpec } from '../../interfaces';
import { chooseParameters } from './targets';

const spec = (name: string, linear = true): ParameterSpec => ({
  name,
  shape: linear ? [4, 3] : [3],
  part: 'decoder',
  initial: 'normal',
  ...(linear && { linear }),
});
const MODEL = {
  kind: 'decoder-only' as const,
  parameters: [
    { ...spec('model.embed_tokens.weight'), linear: false },
    ...[0, 1].flatMap((layer) => [
      spec(`model.layers.${layer}.self_attn.q_proj.weight`),
      spec(`model.layers.${layer}.self_attn.q_proj.bias`, false),
      spec(`model.layers.${layer}.mlp.up_proj.weight`),
    ]),
    spec('model.norm.weight', false),
  ],
};
const chosen = (targets: string | string[], modulesToSave?: string[]): [string[], string[]] => {
  const { targets: pairs, complete } = chooseParameters(MODEL, { targets, modulesToSave });
  return [[...pairs], [...complete]];
};
const Q = [0, 1].map((layer) => `model.layers.${layer}.self_attn.q_proj.weight`);
const UP = [0, 1].map((layer) => `model.layers.${layer}.mlp.up_proj.weight`);

describe('targets of train.lora', () => {
  test('targets are names, their ends, patterns with *, or an expression for whole names', () => {
    expect(chosen('all-linear')[0]).toEqual([Q[0], UP[0], Q[1], UP[1]]);
    expect(chosen(['q_proj'])[0]).toEqual(Q);
    expect(chosen(['mlp.up_proj', 'model.layers.0.self_attn.q_proj'])[0]).toEqual([Q[0], UP[0], UP[1]]);
    expect(chosen(['layers.1.*'])[0]).toEqual([Q[1], UP[1]]);
    expect(chosen('model\\.layers\\.[1-9]\\..*q_proj')[0]).toEqual([Q[1]]);
  });

  test('modules to save train completely, with everything in them and without pairs', () => {
    expect(chosen('all-linear', ['norm', 'layers.0.self_attn'])).toEqual([
      [UP[0], Q[1], UP[1]],
      [Q[0], Q[0].replace('weight', 'bias'), 'model.norm.weight'],
    ]);
  });

  test.each<[string | string[], string[] | undefined, string, string]>([
    [['q_prj'], undefined, 'no linear layer of the model is called "q_prj"', 'Did you mean "q_proj"?'],
    ['q_proj', undefined, 'the expression "q_proj" matches the whole name of no linear layer', '[q_proj]'],
    ['(', undefined, 'is not a regular expression', 'all-linear'],
    [['embed_tokens'], undefined, 'names "embed_tokens", which is not a linear layer', 'modulesToSave'],
    [['q_proj'], ['q_proj'], 'names "q_proj", which modulesToSave already trains completely', 'one of the two'],
    ['all-linear', ['nrm'], 'no module of the model is called "nrm"', 'Did you mean "norm"?'],
  ])('targets %j with modules %j are refused', (targets, modules, message, hint) => {
    expect(() => chosen(targets, modules)).toThrow(
      expect.objectContaining({
        code: 'lora.target',
        message: expect.stringContaining(message) as string,
        hint: expect.stringContaining(hint) as string,
      }) as Error,
    );
  });

  test('a family that marks no linear layers gets an error with a hint', () => {
    const plain = { ...MODEL, parameters: MODEL.parameters.map(({ linear: _, ...rest }) => rest) };
    expect(() => chooseParameters(plain, { targets: 'all-linear' })).toThrow(
      expect.objectContaining({ code: 'lora.no-linear-layers' }) as Error,
    );
  });
});
