// deploy/build: what the module exports, and when wasm.sh optimizes it again. An optimized module is kept only while everything that it was made from is
// unchanged; scripts that write down their input replace the compiler and the optimizer. All other tests show that the module itself works.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import binaryen from '../../deploy/build/node_modules/binaryen/index.js';
import { withCalls } from '../../deploy/build/calls.mjs';
import { withoutOthers } from '../../deploy/build/exports.mjs';
import { ROOT, temporaryFolder, wasmPath } from './lib/process.mjs';

const exportsOf = (path) =>
  WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(path)))
    .map(({ name }) => name)
    .sort();

describe('the module', () => {
  it('exports only what Envoy must call', () => {
    assert.deepEqual(exportsOf(wasmPath()), [
      '_initialize',
      'memory',
      'proxy_abi_version_0_2_1',
      'proxy_on_configure',
      'proxy_on_context_create',
      'proxy_on_delete',
      'proxy_on_http_call_response',
      'proxy_on_memory_allocate',
      'proxy_on_request_body',
      'proxy_on_request_headers',
      'proxy_on_request_trailers',
      'proxy_on_response_headers',
      'proxy_on_tick',
    ]);
  });

  it('exports every callback that src/shell implements, because Envoy never calls one that is not exported', () => {
    const shell = readdirSync(join(ROOT, 'src/shell'), { recursive: true })
      .filter((name) => name.endsWith('.rs'))
      .map((name) => readFileSync(join(ROOT, 'src/shell', name), 'utf8'))
      .join('\n');
    const implemented = [...shell.matchAll(/fn (on_\w+)\(\s*&mut self/g)].map(([, name]) => `proxy_${name.replace(/^on_http_(?!call)/, 'on_')}`);
    for (const name of ['proxy_on_request_headers', 'proxy_on_http_call_response', 'proxy_on_tick'])
      assert.ok(implemented.includes(name), `${name} was not found in src/shell`);
    assert.deepEqual(
      implemented.filter((name) => !exportsOf(wasmPath()).includes(name)),
      [],
      'deploy/build/exports.mjs takes them away',
    );
  });

  it('is not built if an export that it must have is missing', () => {
    // A module with one function that does nothing, which is exported as `proxy_on_tick`.
    const other = Buffer.from('0061736d0100000001040160000003020100071101' + '0d' + Buffer.from('proxy_on_tick').toString('hex') + '00000a040102000b', 'hex');
    assert.ok(WebAssembly.validate(other));
    assert.throws(() => withoutOthers(other), /the module does not export memory, _initialize, (?!.*proxy_on_tick)/);
  });
});

describe('deploy/build/calls.mjs', () => {
  /** A module of four functions with bodies of about `size` bytes, and of `idle` small ones. Each of the four returns 7; one is exported as `seven`. */
  function moduleOf(size, idle = 1) {
    const module = new binaryen.Module();
    module.addFunctionImport('imported', 'env', 'imported', binaryen.none, binaryen.none);
    const step = () => module.local.set(0, module.i32.or(module.local.get(0, binaryen.i32), module.i32.const(7)));
    const steps = () => [...Array.from({ length: Math.ceil(size / 7) }, step), module.local.get(0, binaryen.i32)];
    for (const name of ['seven', 'b', 'c', 'd'])
      module.addFunction(name, binaryen.none, binaryen.i32, [binaryen.i32], module.block(null, steps(), binaryen.i32));
    for (let number = 0; number < idle; number += 1) module.addFunction(`idle ${number}`, binaryen.none, binaryen.none, [], module.nop());
    module.addFunctionExport('seven', 'seven');
    return Buffer.from(module.emitBinary());
  }

  /** For each function of a module, how many bytes of other functions it calls. */
  function calledByEach(bytes) {
    const functions = binaryen
      .readBinary(bytes)
      .emitText()
      .split(/^ \(func /m)
      .slice(1);
    const sizes = new Map(functions.map((text) => [/^\S+/.exec(text)[0], (text.match(/\(nop\)/g) ?? []).length + 2]));
    return functions.map((text) => [...text.matchAll(/\(call (\S+?)\)/g)].reduce((sum, [, name]) => sum + sizes.get(name), 0));
  }

  it('adds to each large function calls of as much as Envoy would copy into it: more, if many functions are small', () => {
    for (const [idle, times] of [
      [1, 2],
      [2, 3],
      [4, 5],
    ]) {
      const called = calledByEach(withCalls(moduleOf(3000, idle)));
      const large = called.slice(0, 4);
      assert.ok(
        large.every((bytes) => bytes > times * 3000 && bytes < times * 3000 * 1.1),
        `${idle}: ${large} bytes are called`,
      );
      assert.deepEqual([...new Set(called.slice(4))], [0]);
    }
  });

  it('adds nothing to small functions', () => {
    const called = calledByEach(withCalls(moduleOf(30)));
    assert.deepEqual([...new Set(called)], [0]);
  });

  it('changes nothing of what the module does', () => {
    for (const size of [30, 300, 30_000]) {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(withCalls(moduleOf(size))), { env: { imported: assert.fail } });
      assert.equal(exports.seven(), 7);
    }
  });

  it('makes of the same module the same bytes', () => assert.ok(withCalls(moduleOf(300)).equals(withCalls(moduleOf(300)))));

  it('refuses what is no complete module', () => {
    const module = moduleOf(300);
    for (const length of [0, 4, 9, module.length - 1]) assert.throws(() => withCalls(module.subarray(0, length)));
  });
});

describe('deploy/build/wasm.sh', () => {
  /** A copy of wasm.sh with replacements of the compiler and the optimizer, which write down their input. */
  function builder() {
    const place = temporaryFolder();
    const at = (path) => join(place, 'deploy/build', path);
    mkdirSync(at('node_modules/.bin'), { recursive: true });
    for (const name of ['wasm.sh', 'lib.sh']) cpSync(join(ROOT, 'deploy/build', name), at(name));
    for (const [name, word] of [
      ['exports.mjs', 'less'],
      ['calls.mjs', 'called'],
    ])
      writeFileSync(
        at(name),
        `import { readFileSync, writeFileSync } from 'node:fs';\nwriteFileSync(process.argv[3], \`${word} \${readFileSync(process.argv[2])}\`);\n`,
      );
    const programs = {
      'cargo-wasm.sh': `echo '{"filenames":["${place}/accredit.wasm"]}'`,
      'node_modules/.bin/wasm-opt':
        'for word; do case "$word" in *.new) out=$word;; *.less) in=$word;; esac; done; echo x >>"$0.runs"; { echo optimized; cat "$in"; } >"$out"',
    };
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(at(name), `#!/bin/sh\n${text}\n`);
      chmodSync(at(name), 0o755);
    }
    const compiled = join(place, 'accredit.wasm');
    const output = join(place, 'target/accredit.wasm');
    const run = (environment = {}) => execFileSync(at('wasm.sh'), { stdio: 'pipe', env: { ...process.env, QUICK: '', ...environment } });
    return {
      folder: at('.'),
      compiled,
      output,
      run,
      build: () => [run(), readFileSync(output, 'utf8'), readFileSync(at('node_modules/.bin/wasm-opt.runs'), 'utf8').length / 2].slice(1),
    };
  }

  it('with QUICK=1 makes another module beside that of a release, without the optimizer, and neither is mistaken for the other', () => {
    const { compiled, output, run, build } = builder();
    writeFileSync(compiled, 'one\n');
    assert.deepEqual(build(), ['called optimized\nless one\n', 1]);
    writeFileSync(compiled, 'two\n');
    run({ QUICK: '1' });
    const quick = output.replace('.wasm', '-quick.wasm');
    assert.deepEqual(
      [output, quick].map((path) => readFileSync(path, 'utf8')),
      ['called optimized\nless one\n', 'called less two\n'],
    );
    assert.deepEqual(build(), ['called optimized\nless two\n', 2]);
    // Not even if one file is in the place of the other.
    writeFileSync(output, 'called less two\n');
    writeFileSync(`${output}.from`, readFileSync(`${quick}.from`));
    assert.deepEqual(build(), ['called optimized\nless two\n', 3]);
  });

  it('removes exports and optimizes once, and again only if the module was compiled again or replaced', () => {
    const { folder, compiled, output, build } = builder();
    writeFileSync(compiled, 'one\n');
    assert.deepEqual(
      [build(), build()],
      [
        ['called optimized\nless one\n', 1],
        ['called optimized\nless one\n', 1],
      ],
    );
    writeFileSync(compiled, 'two\n');
    assert.deepEqual(
      [build(), build()],
      [
        ['called optimized\nless two\n', 2],
        ['called optimized\nless two\n', 2],
      ],
    );
    writeFileSync(output, 'called optimized\nbad\n');
    assert.deepEqual(
      [build(), build()],
      [
        ['called optimized\nless two\n', 3],
        ['called optimized\nless two\n', 3],
      ],
    );
    rmSync(output);
    assert.deepEqual(build(), ['called optimized\nless two\n', 4]);
    rmSync(`${output}.from`);
    assert.deepEqual(build(), ['called optimized\nless two\n', 5]);
    // It is also optimized again with another optimizer, other flags, other exports or other calls.
    writeFileSync(join(folder, 'package-lock.json'), '{}\n');
    assert.deepEqual(
      [build(), build()].map(([, times]) => times),
      [6, 6],
    );
    appendFileSync(join(folder, 'wasm.sh'), '# changed\n');
    assert.deepEqual(
      [build(), build()].map(([, times]) => times),
      [7, 7],
    );
    appendFileSync(join(folder, 'exports.mjs'), '// changed\n');
    assert.deepEqual(
      [build(), build()].map(([, times]) => times),
      [8, 8],
    );
    appendFileSync(join(folder, 'calls.mjs'), '// changed\n');
    assert.deepEqual(
      [build(), build()].map(([, times]) => times),
      [9, 9],
    );
    assert.deepEqual(readdirSync(join(output, '..')), ['accredit.wasm', 'accredit.wasm.from']);
  });
});
