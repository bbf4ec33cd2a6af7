import { ENCODER_TOKENIZER_FOLDER } from '@graft/checkpoint';
import type { FamilyAdaptRequest, FamilyAdaptResult, FamilyExportRequest } from '@graft/core';
import { listed } from '@graft/core/internal';
import { adaptCheckpoint, type AdaptReport, type AdaptRequest } from './adapt-checkpoint';
import { describePreserving } from '../model/preserving-form';
import { addDelta, type AddDeltaRequest } from './add-delta';
import { exportEncoder, type ExportEncoderRequest } from './export-encoder';

/** What `graft adapt` can choose for this family. */
type Choices = Pick<
  AdaptRequest,
  | 'crossAttentionForm'
  | 'tieEncoderEmbedding'
  | 'preserveFunction'
  | 'crossAttention'
  | 'crossAttentionNorms'
  | 'expandHeads'
  | 'random'
  | 'seed'
  | 'std'
>;

type DeltaChoices = Partial<Pick<AddDeltaRequest, 'to' | 'delta' | 'decoderDelta' | 'scale'>>;

/** Adapts as `graft adapt` asks for it; the notes tell what became of each choice. */
export async function adaptFor({ choices, ...request }: FamilyAdaptRequest): Promise<FamilyAdaptResult> {
  const { to, delta, decoderDelta, scale } = choices as DeltaChoices;
  if (to !== undefined) {
    const { crossAttention, crossAttentionNorms, random } = choices as Choices;
    const how = { crossAttention, crossAttentionNorms, random };
    const added = await addDelta({ ...request, ...how, to, delta, decoderDelta, scale });
    const { out, tensors, changed, dtype } = added;
    return { out, notes: [`${tensors} tensors, ${dtype}; the difference was added to ${changed} of them.`] };
  }
  const report = await adaptCheckpoint({ ...(choices as Choices), ...request });
  return { out: report.out, notes: notesOn(report, choices as Choices) };
}

/** Exports as `graft export` asks for it. */
export async function exportFor({ choices, ...request }: FamilyExportRequest): Promise<FamilyAdaptResult> {
  const { encoderWindow, encoderAttention } = choices as Pick<
    ExportEncoderRequest,
    'encoderWindow' | 'encoderAttention'
  >;
  const { out, tensors, parameters, dtype, inexact } = await exportEncoder({
    ...request,
    encoderWindow,
    encoderAttention,
  });
  return {
    out,
    notes: [
      `${tensors} tensors, ${parameters.toLocaleString('en')} parameters, ${dtype}; an encoder alone.`,
      ...inexact,
    ],
  };
}

function notesOn(report: AdaptReport, { expandHeads }: Choices): string[] {
  const { tensors, parameters, dtype, crossAttention, crossAttentionReason, crossAttentionNorms, unused } = report;
  const { expandedHeads: expanded, family, hasTwoTokenizers } = report;
  return [
    `${tensors} tensors, ${parameters.toLocaleString('en')} parameters, ${dtype}; cross-attention ${crossAttention}: ${crossAttentionReason}.`,
    `The layout is that of the family ${family}.`,
    ...(report.functionPreserving ? [describePreserving(report.functionPreserving)] : []),
    ...(crossAttentionNorms
      ? [
          `Norms around cross-attention: ${crossAttentionNorms === 'copied' ? "those around the decoder's self-attention" : 'gain 1'}.`,
        ]
      : []),
    ...(expanded ? [`The encoder's ${expanded.from} key/value heads became ${expanded.to}.`] : []),
    ...(expandHeads && !expanded
      ? ['The encoder had a key/value head for each query head already; none was repeated.']
      : []),
    ...(hasTwoTokenizers
      ? [`The sides have tokenizers of their own: the encoder's is in ${ENCODER_TOKENIZER_FOLDER}.`]
      : []),
    ...(unused.length > 0 ? [`Not taken along: ${listed(unused, MOST_NAMES)}.`] : []),
  ];
}

/** A vision tower has hundreds of tensors. */
const MOST_NAMES = 5;
