/** Data with a tokenizer for each side, for the objectives that divide one text. */
import {
  createRandom,
  sidesOf,
  type HostFields,
  type Model,
  type NamedToken,
  type ObjectiveContext,
  type SideTokenizers,
  type Tokenizer,
} from '@graft/core';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { inDecoderIds } from '../batch/side-sequences';
import { sequencesInBatch } from '../batch/sequences';
import { PrefixLm, type PrefixLmOptions } from './prefix-lm';
import { Ul2 } from './ul2';
import type { Ul2Options } from './ul2-options';

const unused = (first: number, count: number): NamedToken[] =>
  Array.from({ length: count }, (_, i) => ({ id: first + i, token: `<unused${i}>`, kind: 'unused' }));

/** Letters from 10 on; é is the two tokens 40, 41, neither of which is a character. */
const decoder: Tokenizer = {
  ...{ vocabularySize: 60, padId: 0, eosId: 1, bosId: 2, namedTokens: unused(50, 6) },
  encode: (text) => Int32Array.from([...text].flatMap((one) => (one === 'é' ? [40, 41] : [one.charCodeAt(0) - 87]))),
  decode: (ids) =>
    Array.from(ids, (id) => (id === 40 ? '<' : id === 41 ? '>' : String.fromCharCode(id + 87)))
      .join('')
      .replaceAll('<>', 'é')
      .replace(/[<>]/g, '\uFFFD'),
};
/** Letters from 110 on, é is 140 and "ab" one token, 141; with other special tokens. */
const encoder: Tokenizer = {
  ...{ vocabularySize: 160, padId: 3, eosId: 4, bosId: 5, namedTokens: unused(150, 3) },
  encode: (text) =>
    Int32Array.from(text.match(/ab|./gsu) ?? [], (one) =>
      one === 'ab' ? 141 : one === 'é' ? 140 : one.charCodeAt(0) + 13,
    ),
  decode: () => '',
};
const tokenizers: SideTokenizers = sidesOf({ ...decoder, encoderSide: encoder });

function pairModel(section?: Parameters<typeof fakeModel>[2]): Model {
  return {
    ...fakeModel('encoder-decoder', [], section),
    vocabularySize: 60,
    encoderTokens: { vocabularySize: 160, specialTokens: { pad: 3, start: 5, eos: [4] } },
  };
}

const context = (more: Partial<ObjectiveContext> = {}): ObjectiveContext => ({
  ...{ model: pairModel(), random: createRandom(0), step: 0, tokenizer: decoder, tokenizers },
  ...more,
});
const texts = (...all: string[]): { kind: 'examples'; examples: HostFields[] } => ({
  kind: 'examples',
  examples: all.map((text) => ({ tokens: int32([...Array.from(decoder.encode(text)), 1]) })),
});
const prefixLm = (options: PrefixLmOptions = {}): PrefixLm => new PrefixLm({ padToMultipleOf: 1, ...options });

describe('prefix-lm with a tokenizer for each side', () => {
  it('gives the encoder the text before the cut in its own tokens, and pads with its own token', () => {
    expect(rowsOf(prefixLm().prepare(texts('abcdef', 'xyzabcde'), context()))).toEqual({
      input_ids: [
        [141, 112, 3, 3],
        [133, 134, 135, 110],
      ],
      attention_mask: [
        [1, 1, 0, 0],
        [1, 1, 1, 1],
      ],
      decoder_input_ids: [
        [2, 13, 14, 15, 1],
        [2, 11, 12, 13, 14],
      ],
      decoder_attention_mask: [
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
      ],
      labels: [
        [13, 14, 15, 1, -100],
        [11, 12, 13, 14, 1],
      ],
    });
  });

  it('never divides a character, and names an example that is one', () => {
    const { input_ids: read, labels } = rowsOf(prefixLm().prepare(texts('aéb'), context()));
    expect([read, labels]).toEqual([[[110]], [[40, 41, 11, 1]]]);
    const one = { kind: 'examples' as const, examples: [{ tokens: int32([40, 41]) }] };
    expect(() => prefixLm().prepare(one, context())).toThrow(
      'Example 0 of the batch is a single character of 2 tokens, which cannot be divided.',
    );
  });

  it('puts the encoder’s special tokens around the source', () => {
    const model = pairModel({ encoder: { bos: true, eos: true } });
    expect(rowsOf(prefixLm().prepare(texts('abcd'), context({ model }))).input_ids).toEqual([[5, 141, 4]]);
  });

  it('shows a teacher the same text in the decoder’s ids', () => {
    const model = inDecoderIds(pairModel());
    const batch = prefixLm().prepare(texts('aébc'), context({ model }));
    const [{ source, target }] = sequencesInBatch(batch, model);
    expect([[...source], [...target]]).toEqual([
      [10, 40, 41],
      [11, 12, 1],
    ]);
  });

  it('refuses ready batches for a teacher with the decoder’s vocabulary alone', () => {
    const taught = prefixLm({ distillation: { cache: 'none' } });
    const batch = { input_ids: int32([[110]]), labels: int32([[10]]) };
    expect(() => taught.prepare({ kind: 'batch', batch }, context())).toThrow(
      "The sources of ready batches are of the encoder's vocabulary of 160 tokens, but the teacher reads the decoder's of 60.",
    );
  });

  it('checks ids of ready batches against the vocabulary of their side', () => {
    const ready = (source: number, label: number) => (): HostFields =>
      prefixLm().prepare(
        { kind: 'batch', batch: { input_ids: int32([[source]]), labels: int32([[label]]) } },
        context(),
      );
    expect(ready(159, 59)).not.toThrow();
    expect(ready(160, 59)).toThrow('"input_ids" holds 160, but the encoder\'s vocabulary has 160 tokens');
    expect(ready(159, 60)).toThrow("the decoder's vocabulary has 60 tokens");
  });
});

describe('ul2 with a tokenizer for each side', () => {
  const spans: Ul2Options = { padToMultipleOf: 1, denoisers: [{ rate: 0.4, meanSpan: 1 }] };

  it('replaces spans of whole characters by sentinel i of each side', () => {
    const objective = new Ul2(spans);
    const settled = objective.settle({ model: pairModel(), tokenizer: decoder, tokenizers });
    expect(settled.notes).toContain('3 sentinels are used, which both sides have.');
    expect(settled.record).toEqual({
      ul2: { sentinels: [[50, 52]], encoderSentinels: [[150, 152]], reuse: false, modeTokens: {} },
    });
    for (let seed = 0; seed < 20; seed++) {
      const batch = rowsOf(objective.prepare(texts('abéxy'), context({ random: createRandom(seed) })));
      const target = batch.labels[0].filter((id) => id >= 0);
      const [read] = batch.input_ids;
      const count = read.filter((id) => id >= 150).length;
      expect(target.filter((id) => id >= 50)).toEqual(Array.from({ length: count }, (_, i) => 50 + i));
      // The spans put back into the source are the text.
      const written = target
        .slice(0, target.lastIndexOf(1) + 1)
        .join(' ')
        .split(/(?=\b5\d\b)/);
      const whole = read.flatMap((id) => {
        if (id < 150 || id > 152) return id === 3 ? [] : [id];
        const ids = written[id - 150]
          .trim()
          .split(' ')
          .slice(1)
          .map(Number)
          .filter((one) => one !== 1);
        return Array.from(encoder.encode(decoder.decode(ids)));
      });
      expect(whole.flatMap((id) => (id === 141 ? [110, 111] : [id])).filter((id) => id !== 4)).toEqual([
        110, 111, 140, 133, 134,
      ]);
    }
  });

  it('takes the sentinels and mode tokens that both sides were trained with', () => {
    const options: Ul2Options = { ...spans, denoisers: [{ rate: 0.4, meanSpan: 1, prefix: 'X' }], modeTokens: 'auto' };
    const context = { model: pairModel(), tokenizer: decoder, tokenizers };
    const { record } = new Ul2(options).settle(context);
    expect(record.ul2).toMatchObject({ modeTokens: { X: 152 }, encoderSentinels: [[150, 151]] });
    const kept = new Ul2(options, { recorded: record.ul2 }).settle(context);
    expect([kept.record, kept.warnings]).toEqual([record, []]);
  });

  it.each([
    [{ inputTokens: 64 }, 'objective.inputTokens is the length of what the encoder reads'],
    [{ sentinels: [50, 51] }, 'objective.sentinels gives ids (50), but the data have a tokenizer for each side'],
    [{ sentinels: ['<unused5>'] }, "The encoder's tokenizer: objective.sentinels: no special, added or unused token"],
  ])('refuses %j', (more, message) => {
    const settle = (): unknown =>
      new Ul2({ ...spans, ...more } as Ul2Options).settle({ model: pairModel(), tokenizer: decoder, tokenizers });
    expect(settle).toThrow(message);
  });

  it('names the side whose tokenizer has no free token', () => {
    const without = { ...encoder, namedTokens: [] };
    expect(() =>
      new Ul2(spans).settle({
        model: pairModel(),
        tokenizer: decoder,
        tokenizers: { encoder: { ...without, vocabularySize: 160 }, decoder },
      }),
    ).toThrow("The encoder's tokenizer: objective.sentinels: `auto` found no free token");
  });
});
