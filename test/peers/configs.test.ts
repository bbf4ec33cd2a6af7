import { parseCheckpointConfig } from '@graft/gemma';
import { COMMON_KEYS, GEMMA2_KEYS, T5GEMMA_KEYS, T5GEMMA_SECTION_KEYS, type PublishedKey } from '@graft/gemma/internal';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { GEMMA2, T5GEMMA } from '../../plugins/gemma/test-support/whole-configs';

const isThere = hasModules('torch', 'transformers');

type Json = Record<string, unknown>;

interface Case {
  readonly path: readonly string[];
  readonly change: 'as it is' | 'empty' | 'removed' | 'null';
  readonly given: Json;
  /** Everything said, as the published classes mean it; or why they refuse. */
  readonly config?: Json;
  readonly error?: string;
}

interface Published {
  readonly gemma2: { readonly keys: string[]; readonly cases: Case[] };
  readonly t5gemma: { readonly keys: string[]; readonly cases: Case[] };
  readonly sectionKeys: string[];
  readonly common: string[];
}

/** Null, where the published classes take it but their models then fail, or have nothing to start with. */
const REFUSED_NULLS = ['sliding_window', 'bos_token_id', 'initializer_range'];
/** Whether null, which the published classes refuse by its type, is a matter of no consequence. */
function isInert(model: Case['given']['model_type'], path: readonly string[]): boolean {
  const [section, key] = path.length === 2 ? path : [undefined, path[0]];
  const keys: Readonly<Record<string, PublishedKey>> =
    model === 'gemma2' ? GEMMA2_KEYS : section === undefined ? T5GEMMA_KEYS : T5GEMMA_SECTION_KEYS;
  // Fresh weights of the encoder alone are nobody's.
  return keys[key].use === 'inert' || path.join('.') === 'encoder.initializer_range';
}

describeIf(isThere, 'the published implementation is not installed; `npm run test:peers` does it', 'the published configuration classes', () => {
  let published: Published;
  beforeAll(() => {
    const folder = temporaryFolder();
    const [given, output] = [join(folder, 'given.json'), join(folder, 'said.json')];
    writeFileSync(given, JSON.stringify({ gemma2: GEMMA2, t5gemma: T5GEMMA }));
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'configs.py'), given, output], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    published = JSON.parse(readFileSync(output, 'utf8')) as Published;
  });

  test('the published classes have exactly the keys of the tables', () => {
    expect(Object.keys(GEMMA2_KEYS).sort()).toEqual(published.gemma2.keys);
    // Two are set on the sections by the whole model's class.
    const sections = Object.keys(T5GEMMA_SECTION_KEYS).filter(
      (key) => key !== 'dropout_rate' && key !== 'cross_attention_hidden_size',
    );
    expect(sections.sort()).toEqual(published.sectionKeys);
    // Four are the common class's, or taken from the decoder where they are not given.
    const beside = ['initializer_range', 'bos_token_id', 'eos_token_id', 'pad_token_id'];
    const whole = Object.keys(T5GEMMA_KEYS).filter((key) => !beside.includes(key));
    expect(whole.filter((key) => !published.common.includes(key)).sort()).toEqual(published.t5gemma.keys.filter((key) => !published.common.includes(key)));
    expect(published.common.filter((key) => !COMMON_KEYS.includes(key))).toEqual([]);
  });

  test('the published classes have the defaults of the tables', () => {
    const tables = {
      gemma2: { '': GEMMA2_KEYS },
      t5gemma: { '': T5GEMMA_KEYS, encoder: T5GEMMA_SECTION_KEYS, decoder: T5GEMMA_SECTION_KEYS },
    } as Readonly<Record<string, Record<string, Readonly<Record<string, PublishedKey>>>>>;
    let compared = 0;
    for (const [model, sections] of Object.entries(tables)) {
      const { config } = published[model as 'gemma2' | 't5gemma'].cases.find(({ change }) => change === 'empty')!;
      for (const [section, keys] of Object.entries(sections)) {
        const output = (section === '' ? config : config![section]) as Json;
        for (const [key, { default: silence, nullMeans }] of Object.entries(keys)) {
          if (silence === undefined) continue;
          // What a section is for, the class says itself.
          if (key === 'is_decoder' && section === 'decoder') continue;
          const value = output[key] === null && nullMeans === 'the default' ? silence : output[key];
          expect({ model, section, key, value }).toEqual({ model, section, key, value: silence });
          compared++;
        }
      }
    }
    console.log(`${compared} defaults of the tables are the published ones.`);
  });

  test('the published classes and Graft agree on configs with a removed or null key', () => {
    const counts = { removed: 0, null: 0, refused: 0, mismatched: 0 };
    const wrong: unknown[] = [];
    for (const { path, change, given, config, error } of [...published.gemma2.cases, ...published.t5gemma.cases]) {
      const key = path.at(-1) ?? '';
      let own: unknown;
      let refusal: string | undefined;
      try {
        own = parseCheckpointConfig(given);
      } catch (problem) {
        refusal = (problem as Error).message;
      }
      // Two things of a pair that Graft wants to be one and the published classes do not ask about.
      if (refusal !== undefined && /one vocabulary|starts a decoder's input with one token/.test(refusal)) counts.mismatched++;
      else if (error !== undefined) {
        if (refusal === undefined && !isInert(given.model_type, path)) wrong.push({ path, change, error });
        counts.refused++;
      } else if (refusal !== undefined) {
        if (change !== 'null' || !REFUSED_NULLS.includes(key)) wrong.push({ path, change, refusal });
        counts.refused++;
      } else {
        const meant = parseCheckpointConfig(config!);
        if (JSON.stringify(meant) !== JSON.stringify(own)) wrong.push({ path, change, own, meant });
        counts[change === 'null' ? 'null' : 'removed']++;
      }
    }
    expect(wrong).toEqual([]);
    console.log(
      `${counts.removed} configs with a key removed and ${counts.null} with one null mean the same to both; ${counts.refused} are refused, ${counts.mismatched} as their sides do not go together.`,
    );
    expect(counts.removed).toBeGreaterThan(70);
  });
});
