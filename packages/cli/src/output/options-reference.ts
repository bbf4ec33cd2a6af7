import type { Registry } from '@graft/core';
import { optionsTable } from './options';

const HEAD = `# Reference of options

Every component that a config can name, with its options. The page is made from the schemas of the options:
\`graft plugins ID\` prints the same for a component of any plugin, and \`graft config --schema\` prints a JSON Schema for
editors. \`npm run docs:options\` rewrites this page.

An option without default is optional unless it says _required_. \`[]\` stands for each item of a list. Where the type is
the name of an interface, such as \`tokenizer\`, the value is another component: \`bytes\`, or
\`{ use: huggingface, path: … }\`.
`;

/** A page in Markdown about the options of all components of a registry, and of core's own sections of a config. */
export async function optionsReference(registry: Registry): Promise<string> {
  const { describeOptions, describeSections, INTERFACES } = await import('@graft/core');
  const sections = [...describeSections()].map(
    ([name, options]) =>
      `### \`${name}\`\n\n${name === 'evaluators' ? 'Keys of each evaluator, besides its own options.\n\n' : ''}${optionsTable(options)}\n`,
  );
  const interfaces = INTERFACES.map((name) => {
    const components = registry.list(name).map(({ definition, plugin }) => {
      const { id, description, options } = definition;
      return `### \`${id}\` (${name})\n\nFrom \`${plugin}\`: ${description}.\n\n${optionsTable(describeOptions(options))}\n`;
    });
    return components.length === 0 ? undefined : `## ${name}\n\n${components.join('\n')}`;
  });
  const parts = [HEAD, ...interfaces, `## Sections of a config\n\n${sections.join('\n')}`];
  return parts.filter((part) => part !== undefined).join('\n');
}
