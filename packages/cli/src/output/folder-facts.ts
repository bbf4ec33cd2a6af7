import type { CheckpointReader, ENCODER_TOKENIZER_SECTION } from '@graft/checkpoint';
import type { GenerationDefaults, Tokenizer } from '@graft/core';
import type { AnyGemma, ClassifierConfig } from '@graft/gemma';
import { listed, messageOf } from '@graft/errors';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFactsOf, type InspectedModel } from './family-facts';

interface TokenizerFact {
  readonly file?: string;
  readonly tokens?: number;
  readonly problem?: string;
  /** The component that graft.json names for a tokenizer of another kind. */
  readonly use?: string;
}

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
  readonly tokenizer: TokenizerFact;
  /** The encoder's own, if the folder has one. */
  readonly encoderTokenizer?: TokenizerFact;
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
  const { classifierOf, isClassifier } = await import('@graft/gemma/internal');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  const where = join(reader.path, 'config.json');
  const architecture: unknown = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  const named = {
    type: String(config.model_type),
    ...(typeof architecture === 'string' ? { architecture } : {}),
  };
  if (isClassifier(config, reader)) {
    const classifier = await classifierOf(reader);
    const { task, reads, labels, model } = classifier.config;
    return {
      model: { ...named, kind: classifier.kind },
      classifier: { task, reads, labels },
      specialTokens: describeSpecialTokens(classifier),
      dropout: model.dropout,
      tensors: await gemma.checkTensors(classifier, reader, 'this classifier'),
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

/** The tokenizers next to the weights, and how conversations become text. */
async function textFacts(
  folder: string,
): Promise<Pick<FolderFacts, 'tokenizer' | 'encoderTokenizer' | 'chatTemplate'>> {
  const { ENCODER_TOKENIZER_FOLDER, ENCODER_TOKENIZER_SECTION } = await import('@graft/checkpoint');
  const encoders = await tokenizerIn(join(folder, ENCODER_TOKENIZER_FOLDER), folder, ENCODER_TOKENIZER_SECTION);
  const isOwn = encoders.fact.file !== undefined || encoders.fact.use !== undefined;
  const { fact, opened } = await tokenizerIn(folder);
  const { findChatTemplate } = await import('@graft/text');
  const chatTemplate = opened
    ? await findChatTemplate(folder, opened).then(
        (format) => (format ? { from: format.origin } : {}),
        (error: unknown) => ({ problem: reasonOf(error) }),
      )
    : await templateWithout(folder);
  return { tokenizer: fact, ...(isOwn && { encoderTokenizer: encoders.fact }), chatTemplate };
}

/** A tokenizer in a folder, or the one that a section of the checkpoint's graft.json names. */
async function tokenizerIn(
  folder: string,
  checkpoint = folder,
  section?: typeof ENCODER_TOKENIZER_SECTION,
): Promise<{ readonly fact: TokenizerFact; readonly opened?: Tokenizer }> {
  const file = join(folder, 'tokenizer.json');
  if (!existsSync(file)) {
    const { readTokenizerRecord } = await import('@graft/checkpoint');
    const recorded = await readTokenizerRecord(checkpoint, section).catch(() => undefined);
    return { fact: recorded ? { use: recorded.use } : {} };
  }
  const { HuggingFaceTokenizer } = await import('@graft/text');
  try {
    const opened = await HuggingFaceTokenizer.open({ path: folder });
    return { fact: { file, tokens: opened.vocabularySize }, opened };
  } catch (error) {
    return { fact: { file, problem: reasonOf(error) } };
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
  /^(config\.json|generation_config\.json|graft\.json|.*\.safetensors(\.index\.json)?|manifest\.json|trainer\.json|average|encoder_tokenizer|additional_chat_templates|README.*|LICENSE.*|USE_POLICY.*|\..*)$/i;

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
  const {
    model,
    classifier,
    problem,
    specialTokens,
    dropout,
    tokenizer,
    encoderTokenizer,
    chatTemplate,
    generation,
    dtype,
    recorded,
  } = facts;
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
  lines.push(tokenizerLine(encoderTokenizer ? 'Tokenizer of the decoder' : 'Tokenizer', tokenizer));
  if (encoderTokenizer) lines.push(tokenizerLine('Tokenizer of the encoder', encoderTokenizer));
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

function tokenizerLine(whose: string, { file, tokens, problem, use }: TokenizerFact): string {
  if (problem !== undefined) return `${whose}: ${file} cannot be used: ${problem}.`;
  if (file !== undefined) return `${whose}: ${file}, ${tokens!.toLocaleString('en')} tokens`;
  return `${whose}: ${use === undefined ? 'none in the folder' : `${use}, of graft.json`}`;
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
