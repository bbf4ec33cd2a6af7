import type { Task } from '@graft/core';
import { AgiEval } from './agieval';
import { Arc } from './arc';
import { BigBenchHard } from './bbh';
import { BoolQ } from './boolq';
import { Drop } from './drop';
import { Gpqa } from './gpqa';
import { GpqaCot, GpqaGenerative } from './gpqa-generative';
import { Gsm8k } from './gsm8k';
import { HellaSwag } from './hellaswag';
import { HumanEval } from './humaneval';
import { Lambada } from './lambada';
import { Math500 } from './math-500';
import { Mbpp } from './mbpp';
import { Mgsm } from './mgsm';
import { Mmlu } from './mmlu';
import { MmluGenerative } from './mmlu-generative';
import { MmluPro } from './mmlu-pro';
import { NaturalQuestions } from './nq';
import { Piqa } from './piqa';
import { Siqa } from './siqa';
import { CommitmentBank } from './superglue/cb';
import { Copa } from './superglue/copa';
import { MultiRc } from './superglue/multirc';
import { ReCoRD } from './superglue/record';
import { Rte } from './superglue/rte';
import { WordInContext } from './superglue/wic';
import { WinogradSchemas } from './superglue/wsc';
import { TriviaQa } from './triviaqa';
import { TruthfulQa } from './truthfulqa';
import { Winogrande } from './winogrande';
import { Wmt23 } from './wmt23';

/** All tasks, in the order of the paper's list; then those of SuperGLUE, of which `boolq` is one. */
export const TASKS: readonly Task[] = [
  new BoolQ(),
  new Siqa(),
  new Piqa(),
  new Arc('arc-challenge', 25),
  new Arc('arc-easy', 0),
  new Mmlu(),
  new MmluGenerative(),
  new MmluPro(),
  new HellaSwag(),
  new Winogrande(),
  new TruthfulQa('mc1'),
  new TruthfulQa('mc2'),
  new AgiEval('agieval'),
  new AgiEval('agieval-zh'),
  new BigBenchHard(),
  new Drop(),
  new Gpqa('gpqa'),
  new Gpqa('gpqa-diamond'),
  new GpqaGenerative('gpqa-generative'),
  new GpqaGenerative('gpqa-diamond-generative'),
  new GpqaCot('gpqa-cot'),
  new GpqaCot('gpqa-diamond-cot'),
  new Gsm8k(),
  new HumanEval(),
  new Lambada('lambada'),
  new Lambada('lambada-standard'),
  new Math500(),
  new Mbpp(),
  new NaturalQuestions(),
  new TriviaQa(),
  new Wmt23(),
  new Mgsm('mgsm'),
  new Mgsm('mgsm-direct'),
  new CommitmentBank(),
  new Copa(),
  new MultiRc(),
  new ReCoRD(),
  new Rte(),
  new WordInContext(),
  new WinogradSchemas(),
];
