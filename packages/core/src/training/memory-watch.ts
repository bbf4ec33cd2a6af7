import type { LoadedBatch } from '../data/loader';
import { measureForwardMemory } from './forward-memory';
import type { TrainingContext, TrainingParts, TrainingSettings } from './loop-types';
import { memoryAdvice, stepWarning } from './memory';
import type { TrainingState } from './update';

/** Warns before a step that will probably not fit into memory. */
export class MemoryWatch {
  constructor(
    private readonly parts: Pick<TrainingParts, 'engine' | 'model' | 'objective'>,
    private readonly settings: TrainingSettings,
    private readonly context: Pick<TrainingContext, 'logger' | 'random' | 'sink'>,
  ) {}

  /** On the portable engine, which traces nothing and so cannot estimate the step: scales up one row's forward pass. */
  measure({ fields }: LoadedBatch, trained: TrainingState, step: number): void {
    const { engine, model, objective } = this.parts;
    if (engine.executor !== 'portable' || !this.context.sink) return;
    const variant = objective.variantAt?.(step, this.context.random.dropout.fork(step).fork('variant'));
    const { parameters } = trained;
    const bytes = measureForwardMemory({ model, objective, parameters, fields, variant });
    if (bytes !== undefined) this.warn(trained, bytes / (this.settings.microBatches ?? 1));
  }

  /** `temporaryBytes`: what the step needs in addition to the state. */
  warn({ parameters, state, average }: TrainingState, temporaryBytes: number): void {
    const held = { parameters, 'optimizer state': state, 'moving average': average };
    const warning = stepWarning({ held, temporaryBytes }, memoryAdvice(this.settings));
    if (warning) this.context.logger.warn(warning);
  }
}
