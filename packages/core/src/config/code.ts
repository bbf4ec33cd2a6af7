import { createJiti } from 'jiti';
import { createRequire } from 'node:module';

/** What a config or a plugin written in code imports from, wherever it lies. */
const HOST_PACKAGES = ['@graft/core', '@graft/checkpoint', '@graft/engine', 'reflect-metadata', 'zod'];

/** Runs a TypeScript or JavaScript file. One that lies outside of any project gets Graft's packages from this one. */
export async function importCode(file: string, options: { default?: true } = {}): Promise<unknown> {
  const near = createRequire(file);
  const host = createRequire(__filename);
  const alias: Record<string, string> = {};
  for (const name of HOST_PACKAGES) if (!resolveFrom(near, name)) alias[name] = resolveFrom(host, name) ?? name;
  return createJiti(file, { interopDefault: true, alias }).import(file, options);
}

function resolveFrom(from: NodeJS.Require, name: string): string | undefined {
  try {
    return from.resolve(name);
  } catch {
    return undefined;
  }
}
