// Runs test files: `node run.mjs [FILE…]`, by default all of this folder. Each file is a process, and two run at the same time: a file mostly waits, for an
// Envoy to compile the module or for something to end, and rarely needs two processors. No two files use the same port (lib/process.mjs).
//
// Files that need the machine for themselves run after the others, one at a time. Only this file knows which these are, and which files take long.

import { readdirSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(fileURLToPath(import.meta.url));

/** A file that takes longer than this, in milliseconds, is considered to hang. */
const LONGEST = 900_000;

/** The files that take longest. They are started first, so that none of them is still running alone at the end. */
const FIRST = [
  'dist.test.mjs',
  'dist-command.test.mjs',
  'operations.test.mjs',
  'istio.test.mjs',
  'unanswered.test.mjs',
  'real-providers.test.mjs',
  'compose-sign-in.test.mjs',
  'pages.test.mjs',
  'fleet-liar.test.mjs',
];

/** Files whose result would depend on what else runs, with the reason. */
const ALONE = {
  'memory.test.mjs': 'floods Envoy, and compares how fast bodies come with how fast they are ended',
  'under-load.test.mjs': 'loads every worker without a pause, and asks that each change is seen within a time',
};

const took = [];
const failed = new Set();

/** Runs these files, so many at the same time. */
async function runFiles(files, concurrency) {
  const events = run({ files, concurrency, timeout: LONGEST });
  events.on('test:fail', ({ name, file }) => failed.add(basename(file ?? name)));
  events.on('test:complete', ({ name, file, details }) => name === file && took.push([basename(file), details.duration_ms / 1000]));
  for await (const text of events.compose(new spec())) process.stdout.write(text);
}

const named = process.argv.slice(2);
const files = (
  named.length > 0
    ? named
    : readdirSync(FOLDER)
        .filter((name) => name.endsWith('.test.mjs'))
        .sort()
).map((name) => resolve(FOLDER, name));
const place = (file) => (FIRST.includes(basename(file)) ? FIRST.indexOf(basename(file)) : FIRST.length);
const isAlone = (file) => basename(file) in ALONE;

const together = files.filter((file) => !isAlone(file)).toSorted((one, other) => place(one) - place(other));
const alone = files.filter(isAlone);
if (files.length === 0) throw new Error(`there are no test files in ${FOLDER}`);
if (together.length > 0) await runFiles(together, 2);
if (alone.length > 0) await runFiles(alone, 1);

took.sort(([, one], [, other]) => other - one);
console.log(`\nseconds by file:\n${took.map(([name, seconds]) => `${seconds.toFixed(1).padStart(8)} ${name}`).join('\n')}`);
if (failed.size > 0) {
  console.log(`failed: ${[...failed].join(', ')}`);
  process.exitCode = 1;
}
