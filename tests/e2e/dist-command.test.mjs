// The command line of a release: the same bytes wherever it is built, and in it only crates that its bill of materials names.
//
// It is built once more by deploy/build/cli.sh, from a copy of the sources in another folder, with another home of cargo, time zone and language. That build
// is kept in target/elsewhere-command. What the archive of the command contains is tested in dist.test.mjs.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { askCargo, crates } from '../../deploy/build/dist/crates.mjs';
import { copyOfSources, cratesNamedIn, elsewhere, otherHome, run, sha256 } from './lib/elsewhere.mjs';
import { ROOT } from './lib/process.mjs';

const TARGET = /^host: (.*)$/m.exec(run('rustc', ['-vV']))[1];
const PROGRAM = 'target/cli/accredit';

/** The crates whose sources the compiler has read for a build in this folder, as "name-version"; macros and what runs at build time too. */
function compiledIn(place) {
  const notes = join(place, 'target/cli/deps');
  const read = readdirSync(notes)
    .filter((name) => name.endsWith('.d'))
    .flatMap((name) => [...readFileSync(join(notes, name), 'utf8').matchAll(/registry\/src\/[^/]+\/([^/]+)\//g)].map(([, crate]) => crate));
  return new Set(read);
}

describe('the command line', () => {
  let first, second, place, listed;
  before(() => {
    run(join(ROOT, 'deploy/build/cli.sh'), []);
    first = readFileSync(join(ROOT, PROGRAM));
    const folder = elsewhere('elsewhere-command');
    place = copyOfSources(join(folder, 'another place'));
    const environment = { CARGO_HOME: otherHome(folder), TZ: 'Asia/Kolkata', LC_ALL: 'et_EE.UTF-8' };
    run(join(place, 'deploy/build/cli.sh'), [], { folder: place, environment });
    second = readFileSync(join(place, PROGRAM));
    listed = crates(askCargo(ROOT, TARGET))
      .slice(1)
      .map(({ name, version }) => `${name}-${version}`);
  });

  it('is the same bytes, built once more in another folder of another home', () => {
    assert.equal(sha256(second), sha256(first));
  });

  it('has only crates that its bill of materials names, by the places of source lines in its bytes', () => {
    const named = cratesNamedIn(first);
    for (const name of ['rustls', 'ureq', 'saphyr-parser'])
      assert.ok(
        named.some((one) => one.startsWith(`${name}-`)),
        `${name}: ${named}`,
      );
    assert.deepEqual(
      named.filter((name) => !listed.includes(name)),
      [],
    );
  });

  it('was compiled from each crate that its bill of materials names', () => {
    const compiled = compiledIn(place);
    assert.deepEqual(
      listed.filter((name) => !compiled.has(name)),
      [],
    );
  });
});
