import { plugin } from '@graft/benchmarks';
import { encodePrompt, TextGenerator, type GenerationAnswer, type GenerationItem } from '@graft/core';
import type { Engine } from '@graft/engine';
import type { openRun } from './task-likelihood-cases';
import { itemsOf, referenceRows, type ReferenceRun, type TaskReference } from './task-references';

/** Where the two most probable tokens are nearer to each other than this, either may be the largest. */
const CLOSEST_LOGITS = 1e-3;

/** Writes the answers to all rows of a file of the reference, and compares those that no near tie decides. */
export async function expectGenerations(
  engine: Engine,
  run: ReferenceRun,
  { model, parameters, tokenizer }: Awaited<ReturnType<typeof openRun>>,
  reference: TaskReference,
): Promise<number> {
  const task = plugin.tasks!.find(({ id }) => id === reference.task)!;
  const items = (await itemsOf(task, reference)) as readonly GenerationItem[];
  const rows = referenceRows(reference).filter(({ models }) => models[run]!.min_gap! >= CLOSEST_LOGITS);
  const generator = new TextGenerator(engine, model, tokenizer);
  try {
    const requests = rows.map(({ doc_id, until, max_new_tokens }) => ({
      context: encodePrompt(model, tokenizer, items[doc_id].prompt),
      until: until!,
      maxNewTokens: max_new_tokens!,
    }));
    const answers = new Map<number, GenerationAnswer>();
    for await (const batch of generator.write(parameters, requests, { batchSize: 4, batchTokens: 20_000 }))
      for (const { request, answer } of batch) answers.set(request, answer);
    const got = rows.map((_, i) => answers.get(i)!.text);
    expect(got).toEqual(rows.map(({ models }) => models[run]!.text_after_stop));
  } finally {
    generator.dispose();
  }
  return rows.length;
}
