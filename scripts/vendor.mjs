// Bundles what the engine needs of TensorFlow.js into packages/engine/vendor: the kernels of tfjs-node-gpu, tfjs's wasm
// and JavaScript backends, and the gradients. Published whole, these packages would bring 300 MB, and an install script
// that downloads a TensorFlow of 2022. All share the @tensorflow/tfjs-core that is installed with the engine.
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDER = join(ROOT, 'packages', 'engine', 'vendor');
const require = createRequire(join(ROOT, 'packages', 'engine', 'package.json'));

/** Name of a bundle -> what it consists of. Each has a declaration file of that name in the folder. */
const BUNDLES = {
  gradients: `
    require('@tensorflow/tfjs-core/dist/register_all_gradients');
    require('@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops');`,
  'backend-cpu': `require('@tensorflow/tfjs-backend-cpu');`,
  'backend-wasm': `require('@tensorflow/tfjs-backend-wasm');`,
  'node-kernels': `
    require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels');
    exports.NodeJSKernelBackend =
      require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend').NodeJSKernelBackend;`,
};
const WASM_FILES = ['', '-simd', '-threaded-simd'].map((variant) => `tfjs-backend-wasm${variant}.wasm`);

/** One copy of core: the union package, too, is a name for it. Only modules inside core are bundled from there. */
const oneCore = {
  name: 'one-core',
  setup({ onResolve }) {
    onResolve({ filter: /^@tensorflow\/tfjs(-core)?$/ }, () => ({ path: '@tensorflow/tfjs-core', external: true }));
  },
};

/** The backend whose constants the kernels read: that of PJRT has the same, where TensorFlow is not loaded. */
const CHANGE = {
  file: /nodejs_kernel_backend\.js$/,
  from: "return tf.findBackend('tensorflow');",
  to: "return tf.findBackend('tensorflow') || tf.findBackend('pjrt');",
};
const eitherBackend = {
  name: 'either-backend',
  setup({ onLoad }) {
    onLoad({ filter: CHANGE.file }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (text.split(CHANGE.from).length !== 2) throw new Error(`${path} does not contain "${CHANGE.from}" once.`);
      return { contents: text.replace(CHANGE.from, CHANGE.to), loader: 'js' };
    });
  },
};

/** Of every package whose code is in `inputs`: its name, version and licence text. */
function notices(inputs) {
  const packages = new Map();
  for (const input of inputs) {
    const [folder, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input) ?? [];
    if (folder) packages.set(name, join(ROOT, folder));
  }
  return [...packages]
    .sort()
    .map(([name, folder]) => {
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((each) => join(folder, each)).find(existsSync);
      const text = file ? readFileSync(file, 'utf8').trim() : '';
      return `${name} ${version}, ${license}${text ? `\n\n${text}` : ''}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

/** Bundles again only what is older than the lock file or this script. */
export async function vendor() {
  const notice = join(FOLDER, 'NOTICE');
  const sources = [join(ROOT, 'package-lock.json'), fileURLToPath(import.meta.url)];
  if (existsSync(notice) && sources.every((file) => statSync(file).mtimeMs <= statSync(notice).mtimeMs)) return;
  const { build } = await import('esbuild');
  mkdirSync(FOLDER, { recursive: true });
  const inputs = new Set();
  for (const [name, contents] of Object.entries(BUNDLES)) {
    const { metafile } = await build({
      stdin: { contents, resolveDir: join(ROOT, 'packages', 'engine') },
      outfile: join(FOLDER, `${name}.js`),
      absWorkingDir: ROOT,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      mainFields: ['main'],
      legalComments: 'eof',
      metafile: true,
      logLevel: 'warning',
      plugins: [oneCore, eitherBackend],
    });
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
  }
  const wasm = dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
  for (const file of WASM_FILES) copyFileSync(join(wasm, file), join(FOLDER, file));
  // Last: it says that the others are complete.
  writeFileSync(
    notice,
    `The files in this folder were bundled from these packages. One line of @tensorflow/tfjs-node-gpu was changed:\n"${CHANGE.from}" is "${CHANGE.to}"\n\n${notices(inputs)}`,
  );
  console.error(`Bundled TensorFlow.js's kernels into ${relative(ROOT, FOLDER)}.`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await vendor();
