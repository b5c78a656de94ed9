// Writes the files under deploy/ that are derived from envoy/*.yaml: `node render.mjs`. With `--check` it writes nothing, and fails if a file is out of date.
//
// Every other file of this folder, except source.mjs, is a place to deploy to. It exports `render(shipped)`, which returns [{path, text}] with paths from the
// root of the repository, and reads shipped files only by `shipped(NAME)`. So a change of the filter's configuration is made once.

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, shipped } from './source.mjs';

const HERE = new URL('.', import.meta.url);
const NO_PLACE = ['render.mjs', 'source.mjs'];

/** The names of all places. */
export const PLACES = readdirSync(HERE)
  .filter((name) => name.endsWith('.mjs') && !NO_PLACE.includes(name))
  .map((name) => name.slice(0, -'.mjs'.length))
  .sort();

/** The files of all places, or of one. */
export async function rendered(source = shipped, places = PLACES) {
  const each = await Promise.all(places.map((place) => import(new URL(`${place}.mjs`, HERE))));
  return each.flatMap(({ render }) => render(source));
}

/** The paths whose file is not the same as what would be written now. */
export function leftBehind(files) {
  return files.filter(({ path, text }) => !existsSync(ROOT + path) || readFileSync(ROOT + path, 'utf8') !== text).map(({ path }) => path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await rendered();
  const old = leftBehind(files);
  if (process.argv.includes('--check')) {
    if (old.length > 0) throw new Error(`left behind: ${old.join(', ')}; write them with: make manifests`);
  } else {
    for (const { path, text } of files.filter(({ path }) => old.includes(path))) {
      mkdirSync(dirname(ROOT + path), { recursive: true });
      writeFileSync(ROOT + path, text);
      console.error(`accredit: ${path}`);
    }
  }
}
