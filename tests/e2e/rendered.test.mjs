// There is one source of the filter's configurations, envoy/*.yaml: what stands under deploy/ is rendered from it, and follows every change of it.
//
// What those files are worth in Envoy, Kubernetes and the rest is asked by the tests of each place.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PLACES, leftBehind, rendered } from '../../deploy/build/render/render.mjs';
import { shipped } from '../../deploy/build/render/source.mjs';
import { ROOT } from './lib/process.mjs';

const FILES = await rendered();

/** Those that hold the filter's own configuration, and not only what Envoy must do around it. */
const holds = (text) => /^[^#]*\borigins"?:/m.test(text);
const CONFIGURATIONS = FILES.filter(({ text }) => holds(text)).map(({ path }) => path);

/** Shipped files in which a field of every rule has another name, as after a change of the format. */
function renamed(name) {
  const bootstrap = shipped(name);
  for (const rule of bootstrap.document.getIn([...bootstrap.configuration, 'rules']).items) {
    rule.set('renamed_by_a_test', rule.get('require', true));
    rule.delete('require');
  }
  return bootstrap;
}

/** Every file below a folder of the repository but what npm brought. */
function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return [path];
  });
}

describe('what deploy/ holds of the filter', () => {
  it('is what is rendered now, in every file (mend it with: make manifests)', () => {
    assert.deepEqual(leftBehind(FILES), []);
  });

  it('comes from every place that there is', () => {
    assert.deepEqual(PLACES, ['compose', 'envoy-gateway', 'istio', 'kubernetes']);
    for (const place of PLACES)
      assert.ok(
        CONFIGURATIONS.some((path) => path.startsWith(`deploy/${place}/`)),
        place,
      );
  });

  it('follows a change of the source in every file: none is left behind, and the check says which would be', async () => {
    const changed = await rendered(renamed);
    assert.deepEqual(leftBehind(changed), CONFIGURATIONS);
    for (const path of CONFIGURATIONS) assert.match(changed.find((file) => file.path === path).text, /renamed_by_a_test/, path);
  });

  it('stands nowhere but in these files', () => {
    const found = filesBelow('deploy').filter((path) => /\.(ya?ml|json)$/.test(path) && holds(readFileSync(join(ROOT, path), 'utf8')));
    assert.deepEqual(found.sort(), CONFIGURATIONS.toSorted());
  });

  for (const { path, text } of FILES) {
    it(`opens with what it is and what to change: ${path}`, () => {
      const head = /^(#.*\n)+/.exec(text)?.[0] ?? '';
      assert.ok(head.split('\n').length > 5, head);
      assert.match(head, /make manifests/, 'a reader learns that an edit by hand would be lost');
    });
  }
});
