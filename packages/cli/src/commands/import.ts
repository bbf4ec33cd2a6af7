import type { ImportReport } from '@graft/checkpoint';
import type { Command } from 'commander';
import { formatBytes } from '../output/table';
import type { CommandContext } from './shared/context';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

type ImportOptions = WriteOptions & { readonly out: string; readonly dtype?: string; readonly resume?: boolean };

export function addImportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('import')
    .description("convert a llama.cpp GGUF file into a checkpoint folder in Hugging Face's form; prints its folder")
    .argument('<model.gguf>', 'a model of gemma2, gemma3, llama or qwen3, with or without quantization')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(dtypeOption("the file's, if all its matrices are float16 or bfloat16, else float32"));
  addWriteOptions(command).action(async (file: string, { shardGigabytes, ...options }: ImportOptions) => {
    const { importGguf } = await import('@graft/checkpoint');
    await writeCheckpoint(context, {
      shardGigabytes,
      label: 'importing',
      interrupted: '.import-interrupted',
      write: (request) => importGguf({ file, ...options, ...request }),
      report: (result) => {
        for (const line of importedLines(result)) context.note(line);
        context.print(result.out);
      },
    });
  });
}

/** What was imported, in sentences. */
export function importedLines({
  modelType,
  tensors,
  parameters,
  bytes,
  dtype,
  formats,
  notes,
}: ImportReport): string[] {
  const parts = Object.entries(formats).map(([name, count]) => `${count} ${name}`);
  return [
    `${modelType}: ${tensors} tensors (${parts.join(', ')}), ${parameters.toLocaleString('en')} parameters, ${formatBytes(bytes)} in ${dtype}.`,
    ...notes,
  ];
}
