/** From a sweep's file to its trials: every config resolved and checked before anything runs. */
import { ConfigError } from '@graft/engine';
import { listed } from '@graft/errors';
import { basename, dirname, extname, resolve } from 'node:path';
import {
  loadConfig,
  loadEvaluationConfig,
  type LoadedEvaluation,
  type LoadedExperiment,
  type LoadOptions,
} from '../config';
import type { OnCode } from '../config/code';
import { explainIssues, InvalidConfigError, type ConfigIssue } from '../config/issues';
import { parseOverride } from '../config/overrides';
import { readSettingsFile } from '../config/read';
import { keysAt } from '../config/walk';
import { configHash } from '../run/same-run';
import { checkMetrics } from './check-metrics';
import { pointTitles } from './labels';
import { matchPoints, type MatchedCosts } from './match';
import { sweepPoints, type Setting, type SweepPoint } from './points';
import { SweepSection } from './schema';
import { isTraining, type EvaluationTrial, type TrainingTrial, type Trial } from './trial';

/** A sweep with its trials. */
export interface Sweep {
  /** Whether its trials train, or only evaluate. */
  readonly kind: Trial['kind'];
  readonly name: string;
  readonly file: string;
  /** The folder from which relative paths in it start. */
  readonly folder: string;
  /** The folder of its runs: `<runs>/<name>`. */
  readonly runs: string;
  readonly points: readonly SweepPoint[];
  /** Point by point, and seed by seed. */
  readonly trials: readonly Trial[];
  readonly metrics: SweepSection['metrics'];
  /** By what its points match, if they do. */
  readonly match?: MatchedCosts;
}

/** Where `loadSweep` finds a sweep, and what it changes in all its trials. */
export interface LoadSweepOptions {
  /** yaml, json, ts or js. */
  readonly file: string;
  /** `a.b=c` for every trial; not for what the sweep varies. */
  readonly overrides?: readonly string[];
  readonly plugins?: LoadOptions['plugins'];
  /** The folder in which `runs` is by default. Default: the process's working folder. */
  readonly workingFolder?: string;
  readonly onCode?: OnCode;
  /** Reads a config of a training. Default: `loadConfig`. */
  readonly load?: (options: LoadOptions) => Promise<LoadedExperiment>;
  /** Reads a config of an evaluation. Default: `loadEvaluationConfig`. */
  readonly loadEvaluation?: (options: LoadOptions) => Promise<LoadedEvaluation>;
}

/**
 * Reads a sweep and resolves the config of every trial. Throws ConfigError for a mistake in the sweep's file, and with the
 * problems of all trials for those in their configs.
 */
export async function loadSweep(options: LoadSweepOptions): Promise<Sweep> {
  const { overrides = [], plugins, onCode } = options;
  const { load = loadConfig, loadEvaluation = loadEvaluationConfig } = options;
  const workingFolder = resolve(options.workingFolder ?? process.cwd());
  const file = resolve(workingFolder, options.file);
  const folder = dirname(file);
  const section = await readSweep(file, onCode);
  const name = section.name ?? basename(file, extname(file));
  const points = sweepPoints(section, file);
  checkOverrides(overrides, points, section);

  const loadKind: Load = section.evaluate
    ? async (one) => ({ kind: 'evaluation', loaded: await loadEvaluation(one) })
    : async (one) => ({ kind: 'training', loaded: await load(one) });
  const shared = { plugins, onCode };
  const place = await runsFolder(section, {
    ...{ name, folder, overrides, first: points[0] },
    load: (one) => loadKind({ ...shared, ...one, workingFolder }),
  });
  const resolveAll = (all: readonly SweepPoint[]): Promise<Trial[]> =>
    resolveTrials(all, {
      ...{ name, file, overrides, seeds: seedsOf(section) },
      runs: place instanceof ConfigError ? undefined : place,
      load: (one) => loadKind({ ...shared, ...one, workingFolder: folder }),
    });
  const trials = await resolveAll(points);
  if (place instanceof ConfigError) throw place;
  const kind = section.evaluate ? 'evaluation' : 'training';
  checkMetrics(section.metrics, trials, file);
  const sweep: Sweep = {
    ...{ kind, name, file, folder, runs: resolve(place, name), points, trials },
    metrics: section.metrics,
  };
  if (!section.match) return sweep;
  const { points: matched, costs } = await matchPoints({
    ...{ file, points, match: section.match, set: section.set },
    trials: trials.filter(isTraining),
  });
  const changed = matched.some((point, i) => point !== points[i]);
  return {
    ...sweep,
    points: matched,
    trials: changed ? await resolveAll(matched) : trials,
    match: { ...section.match, costs },
  };
}

/** A config, read as one that trains or one that evaluates. */
type Read = Pick<TrainingTrial, 'kind' | 'loaded'> | Pick<EvaluationTrial, 'kind' | 'loaded'>;
type Load = (options: LoadOptions) => Promise<Read>;

interface ResolveContext {
  readonly name: string;
  readonly file: string;
  readonly overrides: readonly string[];
  /** undefined: the config's. */
  readonly seeds: readonly (number | undefined)[];
  /** undefined: unknown, because a config has mistakes. */
  readonly runs: string | undefined;
  readonly load: Load;
}

/** Keys that are shares of the steps, as overrides. Throws ConfigError if the config gives its length otherwise. */
function sharesOf({ shares }: SweepPoint, steps: number | undefined, file: string): string[] {
  return shares.map(([key, share]) => {
    if (steps !== undefined) return `${key}=${Math.round(share * steps)}`;
    throw new ConfigError(`${file}: ${key} is a share of train.steps, which the config does not give.`, {
      code: 'sweep.match',
      hint: 'Give train.steps in place of train.tokens or train.epochs.',
    });
  });
}

/** The trials of all points. Throws ConfigError with the problems of all their configs. */
async function resolveTrials(
  points: readonly SweepPoint[],
  { name, file, overrides, seeds, runs, load }: ResolveContext,
): Promise<Trial[]> {
  const titles = pointTitles(points);
  const trials: Trial[] = [];
  const problems = new Map<string, string[]>();
  for (const [index, point] of points.entries()) {
    for (const seed of seeds) {
      const own = [
        ...point.settings.map(asOverride),
        ...overrides,
        ...(point.steps === undefined ? [] : [`train.steps=${point.steps}`]),
        ...(point.replacedLength === undefined ? [] : [`train.${point.replacedLength}=null`]),
        ...(seed === undefined ? [] : [`seed=${seed}`]),
        `name=${name}`,
        ...(runs === undefined ? [] : [`runs=${runs}`]),
      ];
      const label = [titles[index], seed === undefined ? '' : `seed=${seed}`].filter(Boolean).join(' ') || name;
      try {
        let read = await load({ file: point.config, overrides: own });
        const shares = sharesOf(point, read.loaded.config.train?.steps, file);
        own.push(...shares);
        if (shares.length > 0) read = await load({ file: point.config, overrides: own });
        const id = configHash(read.loaded.config);
        trials.push({ ...read, id, point: index, label, config: point.config, overrides: own });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        // The same mistake in every trial is one mistake.
        const { message: sentence, hint } = inSweep(error, { file, overrides });
        const message = hint === undefined ? sentence : `${sentence} ${hint}`;
        problems.set(message, [...(problems.get(message) ?? []), label]);
      }
    }
  }
  if (problems.size > 0) throw invalidTrials(problems, points.length * seeds.length);
  return trials;
}

interface RunsFolderContext {
  readonly name: string;
  readonly folder: string;
  readonly overrides: readonly string[];
  readonly first: SweepPoint;
  readonly load: Load;
}

/**
 * The folder of all runs, as for `graft run`: relative to the config that says it, or by default in the working folder.
 * The error of a config is reported with those of all trials.
 */
async function runsFolder(
  { runs }: SweepSection,
  { name, folder, overrides, first: { config, settings }, load }: RunsFolderContext,
): Promise<string | ConfigError> {
  if (runs !== undefined) return resolve(folder, runs);
  try {
    const all = [...settings.map(asOverride), ...overrides, `name=${name}`];
    return (await load({ file: config, overrides: all })).loaded.config.runs;
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** YAML, which an override is read as, contains JSON. */
const asOverride = ([key, value]: Setting): string => `${key}=${JSON.stringify(value)}`;

async function readSweep(file: string, onCode: OnCode | undefined): Promise<SweepSection> {
  const value = await readSettingsFile(file, onCode);
  const parsed = SweepSection.safeParse(value);
  if (parsed.success) return parsed.data;
  const knownKeys = (path: readonly PropertyKey[]): string[] => keysAt(SweepSection, value, path, () => undefined);
  throw new InvalidConfigError(
    explainIssues(parsed.error.issues, value, knownKeys).map(({ path, message }) => ({
      source: file,
      path: path.map(String).join('.'),
      message,
    })),
  );
}

function seedsOf({ seeds }: SweepSection): readonly (number | undefined)[] {
  if (seeds === undefined) return [undefined];
  return typeof seeds === 'number' ? Array.from({ length: seeds }, (_, seed) => seed) : [...new Set(seeds)];
}

/** Throws ConfigError for an override of a key that the sweep varies: it would make its trials equal. */
function checkOverrides(overrides: readonly string[], [point]: readonly SweepPoint[], { seeds }: SweepSection): void {
  for (const override of overrides) {
    const key = parseOverride(override).path.join('.');
    const isVaried = (key === 'seed' && seeds !== undefined) || point.varied.some(([own]) => own === key);
    const isOwn = key === 'name' || key === 'runs';
    if (!isVaried && !isOwn) continue;
    throw new ConfigError(`--set ${key}=…: ${isOwn ? 'the sweep decides it' : 'the sweep varies this key'}.`, {
      code: 'sweep.override',
      hint: `Change "${isOwn ? key : key === 'seed' ? 'seeds' : key}" in the sweep's file.`,
    });
  }
}

/** The error with the sweep's file as the source of what the sweep sets. */
function inSweep(
  error: ConfigError,
  { file, overrides }: { readonly file: string; readonly overrides: readonly string[] },
): ConfigError {
  if (!(error instanceof InvalidConfigError)) return error;
  const keys = overrides.map((override) => parseOverride(override).path.join('.'));
  const isFromSweep = ({ source, path }: ConfigIssue): boolean =>
    source === '--set' && !keys.some((key) => path === key || path.startsWith(`${key}.`));
  return new InvalidConfigError(error.issues.map((one) => (isFromSweep(one) ? { ...one, source: file } : one)));
}

const LISTED_LABELS = 3;

function invalidTrials(problems: ReadonlyMap<string, readonly string[]>, all: number): ConfigError {
  const parts = [...problems].map(([message, labels]) =>
    labels.length === all ? message : `${listed(labels, LISTED_LABELS)}: ${message}`,
  );
  return new ConfigError(parts.join('\n'), { code: 'sweep.trials' });
}
