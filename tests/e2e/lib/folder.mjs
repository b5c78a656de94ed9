// Checks that apply to every folder of Kubernetes objects, for any control plane: its kustomization and its README.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Checks that the kustomization names every file except `others`, and that each file begins with a comment. */
export function assertFilesAreNamed(folder, others) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const { resources } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'));
  assert.deepEqual(
    [...resources].sort(),
    files.filter((name) => !['kustomization.yaml', ...others].includes(name)),
  );
  for (const name of files) assert.match(readFileSync(join(folder, name), 'utf8'), /^# \S/, name);
}

/** Checks that the README passes no secret as an argument, begins the removal with these commands, and says what was not tested. */
export function assertReadmeIsCareful(folder, removal, notProved) {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  assert.doesNotMatch(readme, /--from-literal|--docker-password|-p(assword)?[= ]\S*secret/);
  for (const [line] of readme.matchAll(/^.*create secret.*$/gm)) assert.match(line, /--from-env-file=\/dev\/stdin <<END$/);
  const [, shown] = /## Remove it\n\n```sh\n(.+?)```/s.exec(readme);
  const commands = shown.split('\n').map((line) => line.split(' #')[0].trim());
  assert.deepEqual(commands.slice(0, removal.length), removal);
  assert.match(readme, notProved);
}
