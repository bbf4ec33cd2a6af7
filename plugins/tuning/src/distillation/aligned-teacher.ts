/** Shapes: B batch, L length, C labels of a chunk, D width of a state, V vocabulary. */
import {
  FIELDS,
  readsBos,
  DataError,
  tokensOfSide,
  type BatchTensors,
  type FieldSpec,
  type FrozenModel,
  type HostFields,
  type Model,
  type RandomStream,
} from '@graft/core';
import { orderAfter, tf } from '@graft/engine';
import { Teacher, teacherBos, teacherHead } from '@graft/objectives';

/** The logits [C, V] that a teacher has for labels from..from+size-1, after `behind`. */
export type TeacherLogits = (from: number, size: number, behind: readonly tf.Tensor[]) => tf.Tensor2D;

/**
 * A decoder-only teacher of a student that writes itself. Of an encoder-decoder, it reads source and target as one text, as
 * in all distillation; of a decoder-only student, exactly what the student reads. Owns the teacher's parameters.
 */
export class AlignedTeacher {
  private readonly teacher: Teacher;
  readonly batchFields: readonly FieldSpec[];

  constructor(
    private readonly frozen: FrozenModel,
    private readonly temperature: number,
  ) {
    // Only its logits are asked for: what it would weigh against labels has no part here.
    this.teacher = new Teacher(frozen.model, frozen.parameters, { alpha: 0, temperature });
    this.batchFields = this.teacher.batchFields;
  }

  /** Throws DataError for a student that the teacher cannot teach. */
  checkStudent(student: Model): void {
    this.teacher.checkStudent(student);
    if (student.kind !== 'decoder-only') {
      const ofEncoder = tokensOfSide(student, 'encoder').vocabularySize;
      if (ofEncoder === student.vocabularySize) return;
      throw new DataError(
        `The sources are of the encoder's vocabulary of ${ofEncoder} tokens, but the teacher reads the decoder's of ${student.vocabularySize}.`,
        { code: 'distillation.vocabulary', exitCode: 2, hint: 'Take a student with one tokenizer for both sides.' },
      );
    }
    const own = readsBos(student, 'decoder') ? student.specialTokens.start : undefined;
    const taught = teacherBos(this.frozen.model, student);
    if (own === taught) return;
    const said = (bos: number | undefined): string => (bos === undefined ? 'no start token' : `start token ${bos}`);
    throw new DataError(
      `The student reads ${said(own)}, its teacher ${said(taught)}; a decoder-only student and its teacher read the same.`,
      {
        code: 'distillation.start-token',
        exitCode: 2,
        hint: 'Set specialTokens.decoder.bos and specialTokens.teacher.bos alike.',
      },
    );
  }

  /** What the teacher reads of a batch, if that is not what the student reads. */
  fields(
    batch: HostFields,
    student: Model,
    padToMultipleOf: number,
    randomOf: (row: number) => RandomStream,
  ): HostFields {
    return student.kind === 'decoder-only' ? {} : this.teacher.fields(batch, padToMultipleOf, student, randomOf);
  }

  /** The logits for the labels of a batch, divided by the temperature. Traceable. */
  logits(batch: BatchTensors, student: Model): TeacherLogits {
    if (student.kind !== 'decoder-only') {
      const targets = this.teacher.targets(batch);
      return (from, size, behind) => (targets.slice(from, size, behind) as { logits: tf.Tensor2D }).logits;
    }
    const { model, parameters } = this.frozen;
    const head = teacherHead(model);
    const { inputIds, attentionMask } = FIELDS;
    const fields = { [inputIds]: batch[inputIds], [attentionMask]: batch[attentionMask] };
    const rows = head.rows(parameters, fields); // [B L, D]
    return (from, size, behind) => {
      const all = behind.length > 0 ? orderAfter(rows, behind) : rows;
      const logits = head.logits(parameters, tf.slice(all, [from, 0], [size, -1]));
      return this.temperature === 1 ? logits : tf.div(logits, this.temperature);
    };
  }

  dispose(): void {
    this.frozen.dispose();
  }
}
