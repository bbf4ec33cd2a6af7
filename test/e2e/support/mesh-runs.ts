/** Runs over a mesh of eight virtual devices of the PJRT plugin for CPUs. */
import { dryRun, loadConfig, type DryRun } from '@graft/core';
import gemma from '@graft/gemma';
import objectives from '@graft/objectives';
import optimizers from '@graft/optimizers';
import scratch from '@graft/scratch';
import text from '@graft/text';
import { cpuPluginFile } from '@graft/engine/internal';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../../support';
import { runFolderOf, write, type Outcome } from './graft';
import { sharedProcess } from './shared-process';

const config = (plugin: string): string => `model:
  vocabularySize: 264
  encoder: { layers: 1, hidden: 32, feedForward: 64, heads: 8, keyValueHeads: 4 }
  decoder: { layers: 1, hidden: 32, feedForward: 64, heads: 8, keyValueHeads: 4 }
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq, padToMultipleOf: 8 }
dataset: { use: jsonl, files: pairs.jsonl, source: question, target: answer, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01, clipNorm: 1 }
train: { steps: 4, batchSize: 8 }
engine: { mode: pjrt, plugin: ${plugin} }
`;

/** Settings of the section `train`. */
export type Settings = Readonly<Record<string, unknown>>;

/** What a run wrote. */
export interface TrainedRun {
  readonly outcome: Outcome;
  readonly losses: readonly number[];
  /** The folder of its last checkpoint. */
  readonly checkpoint: string;
}

export interface MeshRuns {
  /** The first run of the process, which decides how many devices there are: on a mesh of eight. */
  data(): TrainedRun;
  /** What `graft run --dry-run` finds. */
  estimated(settings: Settings): Promise<DryRun>;
  trained(name: string, settings: Settings, ...more: string[]): Promise<TrainedRun>;
  attempted(settings: Settings, ...more: string[]): Promise<Outcome>;
}

/** Tests of runs of a tiny encoder-decoder; the body gets what starts them. */
export function describeMesh(name: string, body: (runs: MeshRuns) => void): void {
  const plugin = cpuPluginFile();
  describeIf(plugin !== undefined, 'it needs the PJRT plugin for CPUs', name, () => {
    const { graft, graftSucceeds } = sharedProcess();
    const folder = temporaryFolder();
    // The partitioner comes before LLVM, which takes most of the time to compile.
    const environment = { GRAFT_PJRT_FLAGS: '{"xla_backend_optimization_level":0}' };
    const options = (run: string, settings: Settings): string[] => [
      'run',
      'run.yaml',
      '--set',
      `name=${run}`,
      ...Object.entries(settings).flatMap(([key, value]) => ['--set', `train.${key}=${JSON.stringify(value)}`]),
    ];
    let data: TrainedRun;
    const runs: MeshRuns = {
      data: () => data,
      trained: async (run, settings, ...more) => {
        const outcome = await graftSucceeds([...options(run, settings), ...more], folder, environment);
        const path = runFolderOf(outcome);
        const lines = readFileSync(join(path, 'metrics.jsonl'), 'utf8').trim().split('\n');
        const losses = lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
        return { outcome, losses, checkpoint: join(path, 'checkpoints', `step-${losses.length}`) };
      },
      estimated: async (settings) => {
        const overrides = options('dry', settings).filter((_, i, all) => all[i - 1] === '--set');
        const file = join(folder, 'run.yaml');
        return dryRun(await loadConfig({ file, overrides, plugins: [gemma, scratch, objectives, optimizers, text] }));
      },
      attempted: (settings, ...more) => graft([...options('attempted', settings), ...more], folder, environment),
    };
    beforeAll(async () => {
      write(join(folder, 'run.yaml'), config(plugin!));
      const pairs = Array.from({ length: 32 }, (_, i) =>
        JSON.stringify({ question: `what is ${i}?`, answer: `it is ${i}`, worse: `no ${'o'.repeat(i % 5)}` }),
      );
      write(join(folder, 'pairs.jsonl'), `${pairs.join('\n')}\n`);
      data = await runs.trained('data', { mesh: { data: 8 } });
    });
    body(runs);
  });
}
