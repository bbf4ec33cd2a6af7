/** Small files that would need much memory. */
import { parquetWriteBuffer } from 'hyparquet-writer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { openDataset, take } from '../../../test-support/datasets';
import { checkValues, Unpacked } from './limits';
import { Unsupported } from './problems';

const folder = temporaryFolder();

function write(name: string, options: Parameters<typeof parquetWriteBuffer>[0]): string {
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(parquetWriteBuffer(options)));
  return path;
}

const complaint = async (files: string): Promise<string> => {
  const reading = async (): Promise<unknown> =>
    take(await openDataset('parquet', { files, tokenizer: 'bytes', repeat: false, shuffle: false }), 5);
  return reading().then(
    () => 'read',
    (error: Error) => error.message.replace(`${folder}/`, ''),
  );
};

it('more rows than fit into a file of its size are refused before memory is allocated', async () => {
  const data = new Array<undefined>(2 ** 20 + 1).fill(undefined);
  const columnData = [{ name: 'text', data, type: 'STRING' as const, nullable: true }];
  expect(await complaint(write('rows.parquet', { columnData, rowGroupSize: 2 ** 21, statistics: false }))).toMatch(
    /: rows\.parquet cannot be read: row group 1 has 1048577 rows in \d+ bytes, which are in memory together: more than 1048576 are not read\.$/,
  );
});

it('a row group may unpack to 256 MiB, or to 64 times its bytes', () => {
  const small = new Unpacked('row group 1', 1000);
  small.add(2 ** 28);
  expect(() => small.add(1)).toThrow(
    /^row group 1 unpacks to more than 268435456 bytes out of 1000: files that grow so much are not read$/,
  );
  const large = new Unpacked('row group 2', 2 ** 24);
  large.add(2 ** 30);
  expect(() => large.add(1)).toThrow(Unsupported);
});

it('a column has at most as many values as its bytes allow', () => {
  const column = (values: number, packed: number): Parameters<typeof checkValues>[0] =>
    ({ num_values: BigInt(values), total_compressed_size: BigInt(packed) }) as Parameters<typeof checkValues>[0];
  checkValues(column(2 ** 23, 10), 'column "a", row group 1');
  checkValues(column(2 ** 27, 2 ** 24), 'column "a", row group 1');
  expect(() => checkValues(column(2 ** 23 + 1, 10), 'column "a", row group 1')).toThrow(
    /^column "a", row group 1 has 8388609 values in 10 bytes: more than 8388608 are not read$/,
  );
});
