// The filter's configurations have one source, envoy/*.yaml: those under deploy/ are rendered from it, and follow every change.
//
// The tests of each place show that the rendered files work there.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PLACES, leftBehind, rendered } from '../../deploy/build/render/render.mjs';
import { shipped } from '../../deploy/build/render/source.mjs';
import { ROOT } from './lib/process.mjs';

const FILES = await rendered();

/** The rendered files that contain the filter's own configuration, and not only Envoy's part. */
const holds = (text) => /^[^#]*\borigins"?:/m.test(text);
const CONFIGURATIONS = FILES.filter(({ text }) => holds(text)).map(({ path }) => path);

/** A shipped file in which a field of every rule was renamed, as after a change of the format. */
function renamed(name) {
  const bootstrap = shipped(name);
  for (const rule of bootstrap.document.getIn([...bootstrap.configuration, 'rules']).items) {
    rule.set('renamed_by_a_test', rule.get('require', true));
    rule.delete('require');
  }
  return bootstrap;
}

/** All files below a folder of the repository, except npm packages. */
function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return [path];
  });
}

describe('the configuration of the filter under deploy/', () => {
  it('is up to date in every file (otherwise run: make manifests)', () => {
    assert.deepEqual(leftBehind(FILES), []);
  });

  it('is rendered for every place', () => {
    assert.deepEqual(PLACES, ['compose', 'envoy-gateway', 'fleet', 'istio', 'kubernetes']);
    for (const place of PLACES)
      assert.ok(
        CONFIGURATIONS.some((path) => path.startsWith(`deploy/${place}/`)),
        place,
      );
  });

  it('follows a change of the source in every file, and --check lists the files that are out of date', async () => {
    const changed = await rendered(renamed);
    assert.deepEqual(leftBehind(changed), CONFIGURATIONS);
    for (const path of CONFIGURATIONS) assert.match(changed.find((file) => file.path === path).text, /renamed_by_a_test/, path);
  });

  it('is in no other file', () => {
    const found = filesBelow('deploy').filter((path) => /\.(ya?ml|json)$/.test(path) && holds(readFileSync(join(ROOT, path), 'utf8')));
    assert.deepEqual(found.sort(), CONFIGURATIONS.toSorted());
  });

  for (const { path, text } of FILES) {
    it(`begins with what it is and what to change: ${path}`, () => {
      const head = /^(#.*\n)+/.exec(text)?.[0] ?? '';
      assert.ok(head.split('\n').length > 5, head);
      assert.match(head, /make manifests/, 'a reader learns that an edit by hand would be lost');
    });
  }
});
