import type { RunEnvironment, TrackedRun } from '@graft/core';
import type { Parameter } from './names';

/** What MLflow shows of a run beside its numbers, as tags. Those that begin with `mlflow.` are MLflow's own. */
export function tagsOf({ name, environment }: TrackedRun): Parameter[] {
  const tags = { 'graft.name': name, ...(environment && environmentTags(environment)) };
  return Object.entries(tags).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: String(value) }]));
}

function environmentTags({ command, workingFolder, user, git, host }: RunEnvironment): Record<string, unknown> {
  return {
    'mlflow.user': user,
    'mlflow.source.name': command,
    'mlflow.source.git.commit': git?.commit,
    'mlflow.source.git.branch': git?.branch,
    'graft.git.dirty': git?.dirty,
    'graft.workingFolder': workingFolder,
    'graft.host.name': host.name,
    'graft.host.system': host.system,
    'graft.host.cpu': host.cpu,
    'graft.host.cores': host.cores,
    'graft.host.memoryBytes': host.memoryBytes,
    'graft.host.node': host.node,
  };
}
