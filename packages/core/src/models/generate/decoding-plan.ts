import { basename } from 'node:path';
import type { Model } from '../../interfaces';
import { generationOf } from './generation-defaults';
import { draws, type Sampling } from './sampling';

/** A caller's settings for generation; missing ones come from the checkpoint. */
export interface DecodingRequest {
  readonly eos?: number | readonly number[];
  readonly maxNewTokens?: number;
  readonly sampling?: Sampling;
  /** 1: no beam search. */
  readonly beams?: number;
  readonly lengthPenalty?: number;
  /** Whether the caller streams tokens or may stop sequences, which rules out beam search. */
  readonly streams?: boolean;
}

/** How to decode, from a request and the checkpoint's defaults. */
export interface DecodingPlan {
  /** More than 1: beam search, with `Generator.search`; otherwise `Generator.generate`. */
  readonly beams: number;
  readonly lengthPenalty: number;
  /**
   * One sentence about the settings taken from the checkpoint's file and those ignored; undefined if there are none.
   */
  readonly note?: string;
}

/**
 * Decides whether to use beam search, and which settings come from the checkpoint. Callers without settings get greedy
 * decoding: the checkpoint's sampling settings apply only if the caller samples. Beams that the checkpoint requests are
 * used unless the caller samples, streams or stops.
 */
export function planDecoding(
  model: Pick<Model, 'generation' | 'generationConfig' | 'specialTokens' | 'vocabularySize'>,
  request: DecodingRequest,
): DecodingPlan {
  const { specialTokens } = model;
  const generation = generationOf(model);
  const { sampling = {}, streams = false } = request;
  const samples = draws(sampling);
  const mayFollowBeams = !samples && !streams;
  const beams = request.beams ?? (mayFollowBeams ? (generation.beams ?? 1) : 1);
  const lengthPenalty = request.lengthPenalty ?? generation.lengthPenalty ?? 1;
  const { from, eos } = generation;
  if (from === undefined) return { beams, lengthPenalty };
  const taken: string[] = [];
  const left: string[] = [];
  /**
   * Lists a setting of the checkpoint in the note, unless the caller set it: as taken if `applies`, otherwise as
   * ignored, with the reason `why`.
   */
  const setting = (
    name: string,
    value: number | undefined,
    asked: number | undefined,
    applies: boolean,
    why = '',
  ): void => {
    if (value === undefined || asked !== undefined) return;
    if (applies) taken.push(`${name} ${value}`);
    else left.push(`${name} ${value}${why}`);
  };
  if (request.eos === undefined) taken.push(eos.length === 0 ? 'no end token' : `end tokens ${eos.join(' ')}`);
  if (generation.pad !== specialTokens.pad) taken.push(`pad token ${generation.pad}`);
  if (generation.start !== specialTokens.start) taken.push(`start token ${generation.start}`);
  setting('max_new_tokens', generation.maxNewTokens, request.maxNewTokens, true);
  setting('max_length', generation.maxLength, request.maxNewTokens, generation.maxNewTokens === undefined);
  if (samples) {
    setting('temperature', generation.temperature, sampling.temperature, true);
    setting('top_k', generation.topK, sampling.topK, true);
    setting('top_p', generation.topP, sampling.topP, true);
  } else if (generation.sample && sampling.sample === undefined && sampling.temperature === undefined) {
    left.push('do_sample true (--sample turns it on)');
  }
  const penalty = generation.repetitionPenalty === 1 ? undefined : generation.repetitionPenalty;
  setting('repetition_penalty', penalty, sampling.repetitionPenalty, beams === 1, ' (not with beams)');
  const several = generation.beams === 1 ? undefined : generation.beams;
  setting('num_beams', several, request.beams, mayFollowBeams, ' (not while sampling, streaming or with stop texts)');
  if (beams > 1) setting('length_penalty', generation.lengthPenalty, request.lengthPenalty, true);
  left.push(...generation.ignored.map((one) => `${one} (unknown to Graft)`));
  const sentences = [
    ...(taken.length > 0 ? [taken.join(', ')] : []),
    ...(left.length > 0 ? [`not used: ${left.join(', ')}`] : []),
  ];
  return {
    beams,
    lengthPenalty,
    note: sentences.length > 0 ? `From ${basename(from)}: ${sentences.join('; ')}.` : undefined,
  };
}
