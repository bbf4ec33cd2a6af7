import { plugin } from '@graft/benchmarks';
import { cutAtStop, type ChoiceItem, type GenerationItem, type RowScore, type Task } from '@graft/core';
import { describeIf } from '../support';
import {
  askedBy,
  askedIn,
  BENCHMARKS,
  itemsOf,
  NO_BENCHMARKS,
  referenceRows,
  references,
  replaysOf,
  type Replay,
} from './task-references';

const taskOf = (id: string): Task => plugin.tasks!.find((task) => task.id === id)!;

/** The numbers of a completion in the reference, by Graft's names of them. */
function expectedOf(task: string, { filters }: Replay): Record<string, number> {
  const { none, ...others } = filters;
  const [strict, flexible] = Object.values(others);
  if (task === 'drop') return { f1: none.metrics.f1, exactMatch: none.metrics.em };
  // The harness compares these answers as strings only.
  if (task === 'agieval') return { accuracy: none.metrics.acc, equivalent: expect.any(Number) as number };
  if (task === 'math-500') {
    const { exact_match: exactMatch, math_verify: verified } = none.metrics;
    // math_verify looks for formulas between dollars: of "The final answer is -\\sqrt{3}." it reads the 3.
    return { exactMatch, equivalent: Math.max(exactMatch, verified) };
  }
  const { exact_match: exactMatch } = (strict ?? none).metrics;
  return flexible ? { exactMatch, flexibleMatch: flexible.metrics.exact_match } : { exactMatch };
}

describeIf(BENCHMARKS !== undefined, NO_BENCHMARKS, 'the tasks on real rows', () => {
  const all = references();
  test.each(all.map((reference) => [reference.name, reference] as const))(
    '%s: prompts, continuations and stop strings are those of the reference, to the byte',
    async (_, reference) => {
      const rows = referenceRows(reference);
      const items = await itemsOf(taskOf(reference.task), reference);
      expect(rows.map(({ doc_id }) => items[doc_id]).map(askedBy)).toEqual(rows.map(askedIn));
    },
  );

  test('mmlu-generative asks what mmlu asks, without the letters that it would choose from', async () => {
    const request = { folder: BENCHMARKS!, shots: 2 };
    const [choices, written] = await Promise.all(['mmlu', 'mmlu-generative'].map((id) => taskOf(id).items(request)));
    expect(written.map((item) => (item as GenerationItem).prompt)).toEqual(
      choices.flatMap((item) => (item as ChoiceItem).prompts),
    );
  });

  const replayed = all.filter((reference) => replaysOf(reference).length > 0);
  test.each(replayed.map((reference) => [reference.name, reference] as const))(
    '%s: hand-made completions are cut and scored as in the reference',
    async (_, reference) => {
      const items = (await itemsOf(taskOf(reference.task), reference)) as readonly GenerationItem[];
      const replays = replaysOf(reference);
      const cut = replays.map(({ doc_id, completion }) => cutAtStop(completion, items[doc_id].until));
      expect(cut).toEqual(replays.map(({ after_stop }) => after_stop));
      const scores: RowScore[] = [];
      for (const [i, { doc_id }] of replays.entries())
        scores.push(await items[doc_id].score({ text: cut[i], tokens: 0, ended: true }));
      const got = replays.map(({ completion }, i) => ({ completion, ...scores[i].metrics }));
      expect(got).toEqual(
        replays.map((replay) => ({ completion: replay.completion, ...expectedOf(reference.task, replay) })),
      );
    },
  );
});
