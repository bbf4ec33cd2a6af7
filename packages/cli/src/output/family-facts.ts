import type { CheckpointReader } from '@graft/checkpoint';
import type { FoundFamily, GenerationDefaults, Model, SideTokens } from '@graft/core';
import type { CommandContext } from '../commands/shared/context';
import { openFamily } from '../models/open-components';

/** A checkpoint's model and its family, for `graft inspect`. */
export interface InspectedModel {
  readonly found: FoundFamily;
  readonly model: Model;
}

/**
 * The model that a folder describes, of any loaded family. Throws CheckpointError, which lists the known types, if no
 * plugin reads its model_type.
 */
export async function inspectModel(
  context: CommandContext,
  reader: CheckpointReader,
  plugins: readonly string[] | undefined,
): Promise<InspectedModel> {
  const { modelOfFolder } = await import('@graft/core');
  const found = await openFamily(context, plugins, reader);
  return { found, model: await modelOfFolder(found.family, reader) };
}

/** What every model tells of itself: kind, vocabulary, special tokens, and parameters by part. */
export function modelLines({ found, model }: InspectedModel): string[] {
  const { kind, vocabularySize, specialTokens, encoderTokens, parameters } = model;
  const parts = new Map<string, number>();
  for (const { part, shape } of parameters)
    parts.set(part, (parts.get(part) ?? 0) + shape.reduce((product, size) => product * size, 1));
  return [
    `config: ${kind}, ${idsText({ vocabularySize, specialTokens })}`,
    ...(encoderTokens && idsText(encoderTokens) !== idsText({ vocabularySize, specialTokens })
      ? [`encoder reads: ${idsText(encoderTokens)}`]
      : []),
    `family: ${found.id} (${found.plugin})`,
    ...[...parts].map(([part, count]) => `${part}: ${count.toLocaleString('en')} parameters`),
    `commands: ${commandsOf({ found, model }).join(', ')}`,
  ];
}

/** The vocabulary of a side. */
export function idsText({ vocabularySize, specialTokens: { pad, start, eos } }: SideTokens): string {
  return `vocabulary ${vocabularySize.toLocaleString('en')}, pad ${pad}, start ${start}, eos ${eos.join(' ')}`;
}

/** The commands that this model is fit for. */
function commandsOf({ found: { family }, model }: InspectedModel): string[] {
  return [
    'forward',
    ...(model.decoding ? ['generate'] : []),
    ...(model.representation ? ['embed'] : []),
    ...(family.classifier ? ['classify'] : []),
    ...(family.adapt ? ['adapt'] : []),
    ...(family.exportEncoder ? ['export'] : []),
  ];
}

/** What a folder's model adds to the facts of `graft inspect`. */
export interface ModelFacts {
  readonly model: { readonly type: string; readonly kind: string; readonly architecture?: string };
  readonly specialTokens: string;
  readonly dropout?: object;
  readonly generation?: GenerationDefaults;
  /** Tensors that the model does not use. */
  readonly tensors: readonly string[];
}

/** The facts of a folder that come from its model. */
export async function modelFactsOf(
  { model }: InspectedModel,
  reader: CheckpointReader,
  config: Readonly<Record<string, unknown>>,
): Promise<ModelFacts> {
  const { checkTensors, generationOf } = await import('@graft/core');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  const architecture: unknown = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  return {
    model: {
      type: String(config.model_type),
      kind: model.kind,
      ...(typeof architecture === 'string' ? { architecture } : {}),
    },
    specialTokens: describeSpecialTokens(model),
    dropout: model.dropout,
    generation: model.kind === 'encoder-only' ? undefined : generationOf(model),
    tensors: await checkTensors(model, reader),
  };
}
