// deploy/build/wasm.sh: what was optimized before stays only while everything that it came of does. A compiler and an optimizer that say what they were given
// stand in for the real ones; that the module itself is good, all other tests show.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT, temporaryFolder } from './lib/process.mjs';
describe('deploy/build/wasm.sh', () => {
  /** With a compiler and an optimizer that say what they were given. */
  function builder() {
    const place = temporaryFolder();
    const at = (path) => join(place, 'deploy/build', path);
    mkdirSync(at('node_modules/.bin'), { recursive: true });
    for (const name of ['wasm.sh', 'lib.sh']) cpSync(join(ROOT, 'deploy/build', name), at(name));
    const programs = { 'cargo-wasm.sh': `echo '{"filenames":["${place}/accredit.wasm"]}'`, 'node_modules/.bin/wasm-opt': 'for module; do :; done; echo x >>"$0.runs"; { echo optimized; cat "$MODULE"; } >"$module"' };
    for (const [name, text] of Object.entries(programs)) writeFileSync(at(name), `#!/bin/sh\n${text}\n`), chmodSync(at(name), 0o755);
    const compiled = join(place, 'accredit.wasm');
    const output = join(place, 'target/accredit.wasm');
    return { folder: at('.'), compiled, output, build: () => [execFileSync(at('wasm.sh'), { env: { ...process.env, MODULE: compiled }, stdio: 'pipe' }), readFileSync(output, 'utf8'), readFileSync(at('node_modules/.bin/wasm-opt.runs'), 'utf8').length / 2].slice(1) };
  }

  it('optimizes once what stays the same, and anew what was compiled anew or exchanged by somebody else', () => {
    const { folder, compiled, output, build } = builder();
    writeFileSync(compiled, 'one\n');
    assert.deepEqual([build(), build()], [['optimized\none\n', 1], ['optimized\none\n', 1]]);
    writeFileSync(compiled, 'two\n');
    assert.deepEqual([build(), build()], [['optimized\ntwo\n', 2], ['optimized\ntwo\n', 2]]);
    writeFileSync(output, 'optimized\nbad\n');
    assert.deepEqual([build(), build()], [['optimized\ntwo\n', 3], ['optimized\ntwo\n', 3]]);
    rmSync(output);
    assert.deepEqual(build(), ['optimized\ntwo\n', 4]);
    rmSync(`${output}.from`);
    assert.deepEqual(build(), ['optimized\ntwo\n', 5]);
    // Nor by another optimizer, or by other flags.
    writeFileSync(join(folder, 'package-lock.json'), '{}\n');
    assert.deepEqual([build(), build()].map(([, times]) => times), [6, 6]);
    appendFileSync(join(folder, 'wasm.sh'), '# changed\n');
    assert.deepEqual([build(), build()].map(([, times]) => times), [7, 7]);
  });
});
