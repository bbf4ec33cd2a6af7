import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import {
  asEncoderTokenizer,
  averageCheckpoints,
  readEncoderTokenizer,
  readTokenizerFiles,
  readRecord,
  RECORD_FILE,
  recordFile,
  writeCheckpoint,
} from '..';

const folder = temporaryFolder();

const write = async (name: string, extraFiles: Record<string, string>): Promise<string> => {
  const path = join(folder, name);
  const tensors = [{ name: 'w', dtype: 'F32' as const, shape: [1], data: () => new Float32Array([1]) }];
  await writeCheckpoint(path, { config: {}, tensors, extraFiles });
  return path;
};

test("a record is read from its folder or a file in it, and an average keeps the first checkpoint's record", async () => {
  const sections = { adapted: { encoder: 'a' }, ul2: { sentinels: [3, 4] } };
  const one = await write('one', recordFile(sections));
  const two = await write('two', recordFile({ ul2: {} }));
  expect(await readRecord(one)).toEqual(sections);
  expect(await readRecord(join(one, 'model.safetensors'))).toEqual(sections);
  await averageCheckpoints([one, two], join(folder, 'mean'));
  expect(await readRecord(join(folder, 'mean'))).toEqual(sections);
});

test('an empty record writes no file, a missing file reads as an empty record, and an invalid one is rejected', async () => {
  expect(recordFile({})).toEqual({});
  expect(await readRecord(await write('none', {}))).toEqual({});
  expect(await readRecord(join(folder, 'nowhere'))).toEqual({});
  writeFileSync(join(folder, 'none', RECORD_FILE), '[]');
  await expect(readRecord(join(folder, 'none'))).rejects.toThrow('does not hold a JSON object');
});

test("an encoder's own tokenizer has a folder, which copies of the checkpoint keep", async () => {
  const files = { 'tokenizer.json': 'of the decoder', ...asEncoderTokenizer({ 'tokenizer.json': 'of the encoder' }) };
  const path = await write('sides', files);
  const textsOf = (found: Record<string, Uint8Array>): Record<string, string> =>
    Object.fromEntries(Object.entries(found).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
  expect(textsOf(await readTokenizerFiles(path))).toEqual(files);
  const encoders = await readEncoderTokenizer(path);
  expect(textsOf(encoders!.files)).toEqual({ 'tokenizer.json': 'of the encoder' });
  expect(await readEncoderTokenizer(join(folder, 'one'))).toBeUndefined();
  await averageCheckpoints([path, path], join(folder, 'mean of sides'));
  expect(textsOf(await readTokenizerFiles(join(folder, 'mean of sides')))).toEqual(files);
  for (const name of ['encoder_tokenizer', 'encoder_tokenizer/../x', 'other/tokenizer.json'])
    await expect(write('refused', { [name]: '' })).rejects.toThrow('cannot be the name of an extra file');
});
