import { loadConfig } from '@graft/core';
import { defaultPlugins } from '@graft/cli';
import { hasKeyTwice, parseTree } from '../lib/json.mjs';
import { compare, json, outcome } from './support.mjs';

const BASE = `seed: 3
dataset: &text
  use: jsonl
  files: [a.jsonl, "b {x}.jsonl"]
  tokenizer: { use: bytes }
  lengthTokens: 256
  split: { holdOut: 0.5, part: train }
optimizer: { use: adamw, learningRate: 0.005, betas: [0.9, 0.95], clipNorm: 1 }
schedule: { use: cosine, warmupSteps: 30, finalFactor: 0.1 }
evaluators:
  - use: loss
    name: heldOut
    every: 50
    batches: 8
    dataset: { <<: *text, split: { holdOut: 0.5, part: heldOut } }
train: { steps: 300, batchSize: 4, logEvery: 100 }
`;
const MODEL = `extends: base.yaml
name: tiny
model:
  vocabularySize: 320
  decoder: &side { layers: 2, hidden: 16, feedForward: 32, heads: 2, keyValueHeads: 1, headDim: 8 }
  encoder:
    <<: *side
initializer: { use: scratch, std: 0.8e-1 }
objective: { use: prefix-lm }
`;
const TREE = {
  extends: ['base.yaml'],
  name: 'tiny',
  model: { vocabularySize: 320, decoder: { layers: 2, hidden: 16, feedForward: 32, heads: 2, keyValueHeads: 1 } },
  initializer: { use: 'scratch' },
  objective: { use: 'ul2' },
};

/** Why a JSON config cannot be read, by a reading of its own. */
function problemOfJson(bytes) {
  let tree;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    tree = parseTree(text);
  } catch {
    return 'it is not JSON';
  }
  if (!tree.object) return 'it is not an object';
  return hasKeyTwice(tree) ? 'a key is there twice' : undefined;
}

export default {
  what: 'YAML and JSON configs, and what they extend',
  seeds: async () => [
    { 'c.yaml': Buffer.from(MODEL), 'base.yaml': Buffer.from(BASE) },
    { 'c.json': json(TREE), 'base.yaml': Buffer.from(BASE) },
  ],
  async check(folder, files) {
    const file = `${folder}/${files['c.json'] ? 'c.json' : 'c.yaml'}`;
    const loaded = await outcome(() => loadConfig({ file, plugins: defaultPlugins, workingFolder: folder }));
    compare(loaded, files['c.json'] && problemOfJson(files['c.json']));
  },
};
