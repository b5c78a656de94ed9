// Runs test files: `node run.mjs [FILE…]`, by default all of this folder. Each is a process of its own, and two run at a time: a file mostly waits, for an Envoy to
// compile the module or for something to end, and seldom needs two processors. Ports are dealt so that no two meet (lib/process.mjs).
//
// What needs the machine for itself is run after the others, one at a time. That, and which file takes long, is known here alone.

import { readdirSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(fileURLToPath(import.meta.url));

/** A file that takes longer than this, in milliseconds, hangs. */
const LONGEST = 900_000;

/** The longest come first: at the end, none is left alone. */
const FIRST = ['dist.test.mjs', 'operations.test.mjs', 'istio.test.mjs', 'unanswered.test.mjs', 'compose-sign-in.test.mjs'];

/** Those whose verdict would depend on what else runs, and why. */
const ALONE = {
  'memory.test.mjs': 'floods Envoy, and compares how fast bodies come with how fast they are ended',
  'under-load.test.mjs': 'loads every worker without a pause, and asks that each change is seen within a time',
};

const took = [];
const failed = new Set();

/** Runs these files so many at a time. */
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
