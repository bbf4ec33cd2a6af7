import type { CheckpointReader } from '@graft/checkpoint';
import type { GenerationDefaults } from '@graft/core';
import type { AnyGemma, ClassifierConfig } from '@graft/gemma';
import { listed, messageOf } from '@graft/errors';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFactsOf, type InspectedModel } from './family-facts';

/** How Graft interprets a checkpoint folder. */
export interface FolderFacts {
  /** The model_type (`gemma2`, `t5gemma`, …), its kind, and its class in the published implementation. */
  readonly model?: { readonly type: string; readonly kind: string; readonly architecture?: string };
  readonly classifier?: Pick<ClassifierConfig, 'task' | 'reads' | 'labels'>;
  /** Why Graft cannot build a model from the folder. */
  readonly problem?: string;
  /** One sentence on the effective policy. */
  readonly specialTokens?: string;
  readonly dropout?: object;
  readonly tokenizer: { readonly file?: string; readonly tokens?: number; readonly problem?: string };
  readonly chatTemplate: { readonly from?: string; readonly problem?: string };
  /** Without `from`: only from config.json. */
  readonly generation?: GenerationDefaults;
  /** The `dtype` of config.json, compared with the stored tensors. */
  readonly dtype?: string;
  /** Sections of graft.json. */
  readonly recorded: readonly string[];
  readonly ignored: {
    readonly configKeys: readonly string[];
    readonly generationKeys: readonly string[];
    readonly tensors: readonly string[];
    readonly files: readonly string[];
  };
}

type Json = Readonly<Record<string, unknown>>;

/** An error's sentence as part of another. */
const reasonOf = (error: unknown): string => messageOf(error).replace(/\.$/, '');

/**
 * Reads everything but the tensors themselves. Malformed files are reported as problems, not thrown. `inspect` opens a
 * model of another family than Gemma.
 */
export async function folderFacts(
  reader: CheckpointReader,
  config: Json,
  inspect: () => Promise<InspectedModel>,
): Promise<FolderFacts> {
  const { readRecord, RECORD_FILE } = await import('@graft/checkpoint');
  const { ignoredKeys } = await import('@graft/gemma');
  const folder = reader.path;
  let made: Partial<FolderFacts> & { readonly tensors?: readonly string[] };
  try {
    made = (await isGemma(config))
      ? await modelFacts(reader, config)
      : await modelFactsOf(await inspect(), reader, config);
  } catch (error) {
    made = { problem: reasonOf(error) };
  }
  const { tensors = [], ...facts } = made;
  const recorded = await readRecord(folder).then(Object.keys, (error: unknown) => [
    `${RECORD_FILE}: ${reasonOf(error)}`,
  ]);
  const dtype = config.dtype ?? config.torch_dtype;
  return {
    ...facts,
    ...(typeof dtype === 'string' ? { dtype } : {}),
    ...(await textFacts(folder)),
    recorded,
    ignored: {
      configKeys: facts.problem === undefined && (await isGemma(config)) ? ignoredKeys(config) : [],
      generationKeys: facts.generation?.ignored ?? [],
      tensors,
      files: await ignoredFiles(folder),
    },
  };
}

/** Whether Gemma's own description applies, which shows more than that of any family. */
export async function isGemma({ model_type: type }: Json): Promise<boolean> {
  const { GEMMA_MODEL_TYPES } = await import('@graft/gemma/internal');
  return typeof type === 'string' && GEMMA_MODEL_TYPES.includes(type);
}

async function modelFacts(
  reader: CheckpointReader,
  config: Json,
): Promise<Partial<FolderFacts> & { readonly tensors: readonly string[] }> {
  const gemma = await import('@graft/gemma');
  const { HEAD_WEIGHT } = await import('@graft/core');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  const where = join(reader.path, 'config.json');
  const architecture: unknown = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  const named = {
    type: String(config.model_type),
    ...(typeof architecture === 'string' ? { architecture } : {}),
  };
  const head = reader.tensors.get(HEAD_WEIGHT);
  if (head?.shape.length === 2) {
    const parsed = gemma.parseClassifierConfig(config, head.shape[0], {}, where);
    const classifier = new gemma.GemmaClassifier(parsed);
    const own = new Set(classifier.parameters.map(({ name }) => name));
    const missing = [...own].find((name) => !reader.tensors.has(name));
    if (missing !== undefined) throw new Error(`"${missing}" is missing`);
    const { task, reads, labels } = parsed;
    return {
      model: { ...named, kind: classifier.kind },
      classifier: { task, reads, labels },
      specialTokens: describeSpecialTokens(classifier),
      dropout: parsed.model.dropout,
      tensors: [...reader.tensors.keys()].filter((name) => !own.has(name)),
    };
  }
  const parsed = gemma.readModelConfig(config, {}, where);
  const generation = parsed.kind === 'encoder-only' ? undefined : await gemma.readGenerationConfig(reader, parsed);
  const model: AnyGemma =
    parsed.kind === 'encoder-only'
      ? gemma.gemmaOf(parsed)
      : new gemma.GemmaModel(parsed, generation?.json, generation?.where);
  return {
    model: { ...named, kind: parsed.kind },
    specialTokens: describeSpecialTokens(model),
    dropout: parsed.dropout,
    generation: 'generation' in model ? model.generation : undefined,
    tensors: await gemma.checkTensors(model, reader),
  };
}

/** The tokenizer next to the weights, and how conversations become text. */
async function textFacts(folder: string): Promise<Pick<FolderFacts, 'tokenizer' | 'chatTemplate'>> {
  const { findChatTemplate, HuggingFaceTokenizer } = await import('@graft/text');
  const file = join(folder, 'tokenizer.json');
  if (!existsSync(file)) return { tokenizer: {}, chatTemplate: await templateWithout(folder) };
  try {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const chatTemplate = await findChatTemplate(folder, tokenizer).then(
      (format) => (format ? { from: format.origin } : {}),
      (error: unknown) => ({ problem: reasonOf(error) }),
    );
    return { tokenizer: { file, tokens: tokenizer.vocabularySize }, chatTemplate };
  } catch (error) {
    return { tokenizer: { file, problem: reasonOf(error) }, chatTemplate: await templateWithout(folder) };
  }
}

/** A template may exist even if no tokenizer can be opened. */
async function templateWithout(folder: string): Promise<FolderFacts['chatTemplate']> {
  const { findChatTemplate, BytesTokenizer } = await import('@graft/text');
  return findChatTemplate(folder, new BytesTokenizer()).then(
    (format) => (format ? { from: format.origin } : {}),
    (error: unknown) => ({ problem: reasonOf(error) }),
  );
}

/** Known files of a checkpoint, of Graft or of the published tools. */
const KNOWN_FILES =
  /^(config\.json|generation_config\.json|graft\.json|.*\.safetensors(\.index\.json)?|manifest\.json|trainer\.json|average|additional_chat_templates|README.*|LICENSE.*|USE_POLICY.*|\..*)$/i;

async function ignoredFiles(folder: string): Promise<string[]> {
  const { readTokenizerRecord, TOKENIZER_FILES } = await import('@graft/checkpoint');
  const recorded = (await readTokenizerRecord(folder))?.files ?? [];
  const isKnown = (name: string): boolean =>
    KNOWN_FILES.test(name) || TOKENIZER_FILES.includes(name) || recorded.includes(name);
  return (await readdir(folder)).filter((name) => !isKnown(name)).sort();
}

const MOST_NAMED = 8;

/** The facts for a reader, one line each. */
export function factLines(facts: FolderFacts): string[] {
  const { model, classifier, problem, specialTokens, dropout, tokenizer, chatTemplate, generation, dtype, recorded } =
    facts;
  const lines: string[] = [];
  if (problem !== undefined) lines.push(`Not to be opened by Graft: ${problem}.`);
  if (model) lines.push(`Architecture: ${[model.architecture ?? model.type, model.kind].join(', ')}`);
  if (classifier)
    lines.push(
      `Classifier: of a ${classifier.task}, reads the ${classifier.reads}, ${classifier.labels.length} classes: ${listed(classifier.labels, MOST_NAMED)}`,
    );
  if (specialTokens !== undefined) lines.push(specialTokens);
  if (dropout)
    lines.push(
      `Dropout: ${Object.entries(dropout)
        .map(([name, rate]) => `${name} ${rate}`)
        .join(', ')}`,
    );
  if (tokenizer.problem !== undefined) lines.push(`Tokenizer: ${tokenizer.file} cannot be used: ${tokenizer.problem}.`);
  else
    lines.push(
      `Tokenizer: ${tokenizer.file ? `${tokenizer.file}, ${tokenizer.tokens!.toLocaleString('en')} tokens` : 'none in the folder'}`,
    );
  if (chatTemplate.problem !== undefined) lines.push(`Chat template: ${chatTemplate.problem}.`);
  else lines.push(`Chat template: ${chatTemplate.from ?? "none; Gemma's markup"}`);
  if (generation) lines.push(generationLine(generation));
  if (dtype !== undefined) lines.push(`dtype in config.json: ${dtype}`);
  if (recorded.length > 0) lines.push(`graft.json: ${listed(recorded, MOST_NAMED)}`);
  const { configKeys, generationKeys, tensors, files } = facts.ignored;
  const ignored = [
    [configKeys, 'keys of config.json'],
    [generationKeys, 'settings of generation'],
    [tensors, 'tensors'],
    [files, 'files'],
  ] as const;
  for (const [names, what] of ignored)
    if (names.length > 0) lines.push(`Ignored ${what}: ${listed(names, MOST_NAMED)}`);
  return lines;
}

function generationLine({ from, ...defaults }: GenerationDefaults): string {
  const { eos, pad, start, sample, temperature, topK, topP, repetitionPenalty } = defaults;
  const settings: readonly (readonly [string, number | boolean | undefined])[] = [
    ['do_sample', sample || undefined],
    ['temperature', temperature],
    ['top_k', topK],
    ['top_p', topP],
    ['repetition_penalty', repetitionPenalty],
    ['num_beams', defaults.beams],
    ['length_penalty', defaults.lengthPenalty],
    ['max_new_tokens', defaults.maxNewTokens],
    ['max_length', defaults.maxLength],
  ];
  const given = settings.filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`);
  const ends = eos.length > 0 ? `end tokens ${eos.join(' ')}` : 'no end token';
  return `Generation (${from ?? 'config.json'}): ${[ends, `pad ${pad}`, `start ${start}`, ...given].join(', ')}`;
}
