import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const standardFolder = join(root, '.build', 'functions');

/** Bundles every function with all that it needs, the AWS SDK included. The same sources make the same bytes. */
export async function buildFunctions(outdir = standardFolder): Promise<readonly string[]> {
  const files = (await readdir(join(root, 'functions'))).filter((file) => file.endsWith('.ts')).sort();
  await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: files.map((file) => join('functions', file)),
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    // CommonJS starts faster than ESM on Node 24; without dynamic import everything lands in one file.
    format: 'cjs',
    supported: { 'dynamic-import': false },
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
  return files.map((file) => basename(file, '.ts'));
}

if (import.meta.main) {
  const names = await buildFunctions();
  process.stdout.write(`Bundled ${names.length} functions into .build/functions\n`);
}
