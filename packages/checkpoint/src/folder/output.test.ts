import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { writeHostTensors } from '../safetensors/host';
import { outputFile, outputTensors, writtenBy } from './output';
import { SafetensorsReader } from '../safetensors/reader';
import { writeSafetensors } from '../safetensors/writer';

let folder: string;
let file: string;
beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder, 'out');
});

const command = 'graft embed';
const tensors = { a: { dtype: 'float32', shape: [1], values: new Float32Array([1]) } } as const;
const refused = (problem: string): object => ({ message: `${file} ${problem}.`, code: 'output.exists', exitCode: 2 });

it('a new path or an empty file may be written', async () => {
  expect(await outputFile(file, { command })).toBe(file);
  writeFileSync(file, '');
  expect(await outputFile(file, { command })).toBe(file);
});

it('an existing file is rejected unless the user overwrites it with force', async () => {
  writeFileSync(file, 'mine');
  await expect(outputFile(file, { command })).rejects.toMatchObject(refused('exists already'));
  await expect(outputTensors(file, command)).rejects.toMatchObject(
    refused('exists already, and `graft embed` did not write it'),
  );
  expect(await outputFile(file, { command, force: true })).toBe(file);
});

it('a command may overwrite only tensors that the same command wrote', async () => {
  await writeHostTensors(file, tensors, writtenBy(command));
  expect(await outputTensors(file, command)).toBe(file);
  await expect(outputTensors(file, 'graft forward')).rejects.toMatchObject(
    refused('exists already, and `graft forward` did not write it'),
  );
  await writeSafetensors(file, [{ name: 'a', dtype: 'F32', shape: [1], data: () => new Float32Array(1) }]);
  await expect(outputTensors(file, command)).rejects.toMatchObject({ code: 'output.exists' });
});

it('the written_by mark is stored next to the metadata that other readers expect', async () => {
  await writeHostTensors(file, tensors, writtenBy(command));
  const reader = await SafetensorsReader.open(file);
  await reader.close();
  expect({ ...reader.metadata }).toEqual({ format: 'pt', written_by: 'graft embed' });
});

it('a symbolic link is resolved, and its target is checked and written', async () => {
  const target = join(folder, 'target');
  writeFileSync(target, 'mine');
  symlinkSync(target, file);
  await expect(outputFile(file, { command })).rejects.toMatchObject(refused('exists already'));
  expect(await outputFile(file, { command, force: true })).toBe(target);
  const nowhere = join(folder, 'nowhere');
  symlinkSync(join(folder, 'gone'), nowhere);
  await expect(outputFile(nowhere, { command, force: true })).rejects.toThrow('is a link that leads nowhere');
  expect(readFileSync(target, 'utf8')).toBe('mine');
});

it('folders and devices are never overwritten', async () => {
  mkdirSync(file);
  await expect(outputFile(file, { command, force: true })).rejects.toMatchObject(refused('is a folder'));
  await expect(outputFile('/dev/null', { command, force: true })).rejects.toThrow('/dev/null is not a regular file.');
  expect(existsSync('/dev/null')).toBe(true);
});
