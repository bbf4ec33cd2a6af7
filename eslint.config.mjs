import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { wordRule } from './scripts/words.mjs';

export default defineConfig(
  {
    ignores: [
      'dist-device/',
      '**/dist/**',
      'packages/cli/types/**',
      'packages/engine/vendor/*.js',
      '**/node_modules/**',
      '**/runs/**',
      '.cache/**',
      'test/golden/fixtures/**',
      'coverage/**',
    ],
  },
  js.configs.recommended,
  {
    // Comments and test names in plain English; `node scripts/words.mjs` checks markdown and YAML.
    files: ['**/*.{ts,js,cjs,mjs}'],
    plugins: { graft: { rules: { words: wordRule } } },
    rules: { 'graft/words': ['error', { errors: true }] },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.tests.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      // tfjs, koffi and JSON hand out `any`; naming a type for each would only move the assertion.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // tfjs's results are generic in their rank: saying the rank where it is known is the idiom.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // An interface may promise asynchrony that one implementation does not need.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'plugins/*/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:fs/promises', 'node:fs'].map((name) => ({
            name,
            importNames: ['readFile'],
            message: 'A FIFO keeps it waiting for ever: use readRegularFile, readTextFile or readJsonFile.',
          })),
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts', 'packages/*/test/**/*.ts'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.{js,cjs,mjs}'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        require: 'readonly',
        module: 'writable',
        __dirname: 'readonly',
        performance: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        TextDecoder: 'readonly',
        TextEncoder: 'readonly',
        structuredClone: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
      },
    },
  },
);
