/** Every reader of what comes from elsewhere: one file a target, with the fields that CONTRIBUTING.md explains. */
const TARGETS = {
  safetensors: () => import('./safetensors.mjs'),
  gguf: () => import('./gguf.mjs'),
  parquet: () => import('./parquet.mjs'),
  'parquet-checksums': () => import('./parquet-checksums.mjs'),
  jsonl: () => import('./jsonl.mjs'),
  gzip: () => import('./gzip.mjs'),
  text: () => import('./text.mjs'),
  config: () => import('./config.mjs'),
  checkpoint: () => import('./checkpoint.mjs'),
  snapshot: () => import('./snapshot.mjs'),
  tokenizer: () => import('./tokenizer.mjs'),
  'chat-template': () => import('./chat-template.mjs'),
  chat: () => import('./chat.mjs'),
  superglue: () => import('./superglue.mjs'),
  'teacher-cache': () => import('./teacher-cache.mjs'),
  'run-folder': () => import('./run-folder.mjs'),
  mlflow: () => import('./mlflow.mjs'),
  control: () => import('./control.mjs'),
};

export const TARGET_NAMES = Object.keys(TARGETS);

export async function findTarget(name) {
  const load = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  if (!load) throw new Error(`There is no target "${name}"; there are ${TARGET_NAMES.join(', ')}.`);
  return { name, ...(await load()).default };
}
