import { silentLogger } from '../util/logger';
import { Registry } from '../components/registry';
import type { Model, Task, Tokenizer } from '../interfaces';
import { temporaryFolder } from '@graft/test-support';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AnswerStore } from './answer-store';
import { encodeRequest, encodeTurn } from './encode-request';
import { findTasks } from './find-tasks';
import { cutAtStop } from './text-generator';

/** A token for each character, but one for "ab" too. */
const tokenizer = {
  encode: (text: string) =>
    Int32Array.from(text.match(/ab|[^]/g) ?? [], (piece) => (piece === 'ab' ? 3 : piece.charCodeAt(0))),
} as unknown as Tokenizer;
const modelOf = (kind: Model['kind']): Model =>
  ({ kind, vocabularySize: 300, specialTokens: { pad: 0, start: 2, eos: [1] } }) as unknown as Model;
const encoded = (kind: Model['kind'], prompt: string, continuation: string): unknown => {
  const { context, continuation: own } = encodeRequest(modelOf(kind), tokenizer, prompt, continuation);
  return [[...context], [...own]];
};
const codes = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

describe('encoding a prompt and its continuation', () => {
  test('white space at the end of the prompt belongs to the continuation', () => {
    expect(encoded('encoder-decoder', 'Q: \n', 'yes')).toEqual([codes('Q:'), codes(' \nyes')]);
    expect(encoded('decoder-only', 'Q: ', 'yes')).toEqual([[2, ...codes('Q:')], codes(' yes')]);
  });

  test('a prompt that is a turn is read as its template writes it, and the continuation begins the turn of the model', () => {
    const turns = { textOf: (prompt: string) => `U${prompt}M\n` };
    const asTurn = (kind: Model['kind']): unknown => {
      const request = { prompt: 'Q:', continuation: ' yes' };
      const { context, continuation } = encodeTurn(modelOf(kind), tokenizer, turns, request);
      return [[...context], [...continuation]];
    };
    expect(asTurn('encoder-decoder')).toEqual([codes('UQ:M\n'), codes('yes')]);
    expect(asTurn('decoder-only')).toEqual([[2, ...codes('UQ:M\n')], codes('yes')]);
  });

  test('an empty prompt is the start token', () => {
    expect(encoded('encoder-decoder', '', 'x')).toEqual([[2], codes('x')]);
    expect(encoded('decoder-only', ' ', 'x')).toEqual([[2], codes(' x')]);
  });

  test('a decoder-only model reads what the whole text is encoded to, even if the seam falls into a token', () => {
    // "xab" is [x, ab]: two tokens, of which the prompt "xa" alone has two.
    expect(() => encoded('decoder-only', 'xa', 'b')).toThrow('The tokenizer makes no token of the continuation "b".');
    expect(encoded('decoder-only', 'xa', 'bc')).toEqual([[2, 120, 3], codes('c')]);
    expect(encoded('encoder-decoder', 'xa', 'bc')).toEqual([codes('xa'), codes('bc')]);
  });
});

describe('kept answers', () => {
  const answer = { logLikelihood: -1.5, isGreedy: true };

  test('lines that are not answers are reported and asked again; what follows a cut line is whole', async () => {
    const file = join(temporaryFolder(), 'deep', 'piqa-v1.jsonl');
    await (await AnswerStore.open(file)).keep(new Map([['k1', answer]]));
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"key":"k2","logLikelihood":"many"}\n{"key":"k3","lo`);
    const warnings: string[] = [];
    const store = await AnswerStore.open(file, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
    expect(warnings).toEqual([`${file}: 2 of 3 lines are not answers; their requests are answered again.`]);
    expect([store.find('k1'), store.find('k2'), store.find('k3')]).toEqual([answer, undefined, undefined]);
    await store.keep(new Map([['k3', { text: 'x', tokens: 1, ended: false }]]));
    expect((await AnswerStore.open(file)).find('k3')).toEqual({ text: 'x', tokens: 1, ended: false });
  });
});

test('answers that cannot be written are an error with the file and the reason', async () => {
  const folder = temporaryFolder();
  const store = await AnswerStore.open(join(folder, 'model', 'piqa-v1.jsonl'));
  writeFileSync(join(folder, 'model'), 'a file');
  await expect(store.keep(new Map([['k', { logLikelihood: -1, isGreedy: true }]]))).rejects.toThrow(
    /model\/piqa-v1\.jsonl could not be written: /,
  );
});

test('a text is cut in front of the first stop string', () => {
  expect(cutAtStop('4 apples.\nQ: How', ['Q:', '\n'])).toBe('4 apples.');
  expect(cutAtStop('4 apples', ['Q:', ''])).toBe('4 apples');
});

describe('tasks of plugins', () => {
  const task = (id: string): Task => ({
    id,
    version: 1,
    description: 'd',
    metric: 'accuracy',
    shots: 0,
    chance: 0,
    items: () => Promise.resolve([]),
  });

  test('a suite stands for its tasks, each once, and an unknown one is named with the nearest', () => {
    const tasks = ['piqa', 'siqa', 'nq'].map(task);
    const suites = { small: ['siqa', 'nq'] };
    expect(findTasks(['nq', 'small', 'piqa'], tasks, suites).map(({ id }) => id)).toEqual(['nq', 'siqa', 'piqa']);
    expect(() => findTasks(['smal'], tasks, suites)).toThrow(
      'There is no task "smal"; known are small, piqa, siqa, nq; did you mean "small"?',
    );
  });

  test('a plugin that has a task twice, or one that another has, is refused', () => {
    const registry = new Registry();
    registry.register({ name: 'one', tasks: [task('piqa')], components: [] }, 'one.ts');
    expect(registry.tasks.map(({ task: { id }, plugin }) => [id, plugin])).toEqual([['piqa', 'one']]);
    expect(() => registry.register({ name: 'two', tasks: [task('piqa')], components: [] }, 'two.ts')).toThrow(
      'Plugin "two" (two.ts) has a task "piqa", which plugin "one" (one.ts) has already.',
    );
    const twice = { name: 'two', tasks: [task('nq'), task('nq')], components: [] };
    expect(() => registry.register(twice, 'two.ts')).toThrow('has a task "nq", which it has already.');
    const odd = { name: 'two', tasks: [{ ...task('nq'), version: '1' } as unknown as Task], components: [] };
    expect(() => registry.register(odd, 'two.ts')).toThrow(/has a task "nq" without an integer "version"/);
  });
});
