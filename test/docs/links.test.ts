/** Links between the pages, and the files that they name, exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from '../support';

const pages = [
  join(ROOT, 'README.md'),
  join(ROOT, 'CONTRIBUTING.md'),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(ROOT, 'docs', name)),
];

const withoutCode = (markdown: string): string => markdown.replaceAll(/^ *```.*?^ *```/gms, '');

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

test.each(pages.map((page) => [relative(ROOT, page), page]))('every link of %s has a target', (_, page) => {
  const links = [...withoutCode(readFileSync(page, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  const broken = links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path, anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(['architecture.md', 'plugins.md', 'glossary.md', 'playbooks/README.md'])(
  'every file and folder that docs/%s names exists',
  (name) => {
    const markdown = withoutCode(readFileSync(join(ROOT, 'docs', name), 'utf8'));
    const paths = [...markdown.matchAll(/`((?:packages|plugins|examples|test|docs)\/[\w./-]+)`/g)].map(
      ([, path]) => path,
    );
    expect(paths.filter((path) => !path.includes('NAME') && !existsSync(join(ROOT, path)))).toEqual([]);
  },
);

test('every page of docs is in its index', () => {
  const index = readFileSync(join(ROOT, 'docs', 'README.md'), 'utf8');
  const playbooks = readFileSync(join(ROOT, 'docs', 'playbooks', 'README.md'), 'utf8');
  const listed = (folder: string, text: string): string[] =>
    readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md' && !text.includes(`](${name})`));
  expect(listed(join(ROOT, 'docs'), index)).toEqual([]);
  expect(listed(join(ROOT, 'docs', 'playbooks'), playbooks)).toEqual([]);
});
