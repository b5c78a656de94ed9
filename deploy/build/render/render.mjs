// Writes what deploy/ derives from envoy/*.yaml: `node render.mjs`, or `node render.mjs --check`, which only says what is left behind.
//
// Every other file here but source.mjs is a place. It exports `render(shipped)`, which returns [{path, text}], the path from the root of the repository, and reads
// shipped files by `shipped(NAME)` alone. So a change of the filter's configuration is made once.

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

/** Those whose file is not what would be written now. */
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
