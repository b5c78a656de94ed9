// The images of deploy/images, as far as they can be proved without a container engine: linted, pinned, made of files that are there, by the commands that build the
// module everywhere else. Each check is then given a file that is broken, and must refuse it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { pluginOf } from './lib/gateway.mjs';
import { brought, dockerfile, DOCKERFILES, finals, FOLDER, problems, read, stages, tracked } from './lib/images.mjs';
import { ROOT, temporaryFolder, wasmPath } from './lib/process.mjs';

const files = tracked();
const [module, envoy, demo] = ['module', 'envoy', 'demo'].map((name) => dockerfile(`${name}.Dockerfile`));
const stage = ({ text }, name) => stages(text).find((each) => each.name === name);
const runs = ({ instructions }) => instructions.filter(({ keyword }) => keyword === 'RUN').map(({ text }) => text);
const lib = (script) => /^VERSION=(.*)$/m.exec(read(`deploy/build/${script}`))[1];
const field = (name) => new RegExp(`^${name} = "(.*)"$`, 'm').exec(read('Cargo.toml'))[1];
const newer = (a, b) => a.split('.').map(Number).reduce((known, part, index) => known || Math.sign(part - Number(b.split('.')[index] ?? 0)), 0) >= 0;

describe('every Dockerfile', () => {
  it('is known to these tests', () => assert.deepEqual(DOCKERFILES, ['demo.Dockerfile', 'envoy.Dockerfile', 'module.Dockerfile']));

  it('has nothing that hadolint complains about', () => {
    const found = spawnSync(join(ROOT, 'deploy/build/hadolint.sh'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    assert.equal(found.status, 0);
    const lint = (text) => spawnSync(found.stdout.trim(), ['--no-color', '--failure-threshold', 'ignore', '-'], { input: text, encoding: 'utf8' });
    for (const { name, text } of [module, envoy, demo]) {
      const { status, stdout } = lint(text);
      assert.deepEqual([name, status, stdout], [name, 0, '']);
      assert.equal(text.includes('hadolint ignore'), false, name);
    }
    assert.match(lint(demo.text.replace('npm ci', 'npm install -g x && npm ci')).stdout, /DL3016/, 'it does complain');
  });

  for (const each of [module, envoy, demo]) {
    it(`${each.name} is pinned, made of what git has, from stages that exist, for somebody who is not root`, () => assert.deepEqual(problems(each, files), []));
  }
});

describe('a Dockerfile is refused', () => {
  /** [what was done to it, which, what was there, what stands there now, the complaint] */
  const BROKEN = [
    ['without a tag', module, 'rust:1.95.0-slim-bookworm', 'rust', /rust is not pinned/],
    ['with the newest of everything', envoy, 'envoyproxy/envoy:v1.40.0', 'envoyproxy/envoy:latest', /envoy:latest is not pinned/],
    ['with half a version', demo, 'node:24.21.0-bookworm-slim', 'node:24-bookworm-slim', /node:24-bookworm-slim is not pinned/],
    ['that copies a file that is not there', module, 'Cargo.lock ./', 'Cargo.lock Cargo.old ./', /COPY Cargo\.old, which git does not have/],
    ['that copies what was built here', demo, 'COPY deploy/demo/*.mjs ./', 'COPY deploy/demo/node_modules ./', /node_modules, which git does not have/],
    ['that copies what is hidden from the build', module, 'COPY src src', 'COPY docs docs', /COPY docs, which module\.Dockerfile\.dockerignore hides/],
    ['that copies from a stage that does not exist', module, 'COPY --from=build /accredit/target/accredit.wasm /plugin.wasm\nUSER', 'COPY --from=builder /accredit/target/accredit.wasm /plugin.wasm\nUSER', /--from=builder, and no earlier/],
    ['that copies from a stage that comes later', module, '--from=tools /usr/local', '--from=module /usr/local', /--from=module, and no earlier/],
    ['whose installer has no USER', module, 'USER 65532:65532\n', '', /installer runs as whoever/],
    ['whose Envoy has no USER', envoy, 'USER 65532:65532\n', '', /distroless runs as whoever/],
    ['whose Envoy with a shell has no USER', envoy, 'USER 101:101\n', '', /with-shell runs as whoever/],
    ['whose user is root', demo, 'USER 1000:1000', 'USER 0:0', /demo runs as 0:0/],
    ['whose user is a name, which nobody can check', demo, 'USER 1000:1000', 'USER node', /demo runs as node/],
    ['that adds where it could copy', demo, 'COPY deploy/demo/*.mjs ./', 'ADD deploy/demo/app.mjs ./', /ADD/],
    ['whose head is gone', demo, /^#.*\n(#.*\n)*/, '', /does not say first/],
  ];
  for (const [what, each, before, after, complaint] of BROKEN) {
    it(what, () => {
      const text = each.text.replace(before, after);
      assert.notEqual(text, each.text, 'the test changes nothing');
      assert.match(problems({ ...each, text }, files).join('\n'), complaint);
    });
  }

  it('whose ignore file hides what it copies', () => {
    assert.match(problems({ ...demo, ignore: demo.ignore.replace('!deploy/demo/*.mjs\n', '') }, files).join('\n'), /which demo\.Dockerfile\.dockerignore hides/);
  });
});

describe('versions', () => {
  it('of Rust satisfy Cargo.toml', () => {
    const [, toolchain] = /^rust:([\d.]+)-/.exec(stage(module, 'build').image);
    assert.ok(newer(toolchain, field('rust-version')), `${toolchain} is older than ${field('rust-version')}`);
    assert.equal(newer('1.87.9', field('rust-version')), false);
  });

  it('of Envoy are the one that the tests use', () => {
    const images = finals(stages(envoy.text)).map(({ image }) => image);
    assert.deepEqual(images, [`envoyproxy/envoy:v${lib('envoy.sh')}`, `envoyproxy/envoy:distroless-v${lib('envoy.sh')}`]);
  });

  it('of our own images, in every example, are that of Cargo.toml', () => {
    for (const path of files.filter((name) => name.startsWith(FOLDER))) {
      for (const [image, tag] of read(path).matchAll(/registry\.example\.com\/[a-z-]+:([\w.-]+)/g)) assert.equal(tag, field('version'), `${path}: ${image}`);
    }
  });
});

describe('the module', () => {
  it('is built by the same stages, word by word, for both images', () => {
    const common = ({ text }) => text.slice(text.indexOf('# Node for wasm-opt'), text.indexOf('wasm.sh /accredit/target/accredit.wasm'));
    assert.ok(common(module).length > 500);
    assert.equal(common(module), common(envoy));
  });

  it('is what is built by default, alone in one layer, where Istio and Envoy Gateway look for it', () => {
    const last = stages(module.text).at(-1);
    assert.deepEqual([last.name, last.image], ['module', 'scratch']);
    assert.deepEqual(last.instructions.map(({ keyword, from, words }) => [keyword, from, words.at(-1)]), [['COPY', 'build', '/plugin.wasm']]);
  });

  it('can be copied out by the installer, whose base is a static cp', () => {
    const { image, instructions } = stage(module, 'installer');
    assert.match(image, /^busybox:.*-musl$/);
    const [entrypoint, command] = ['ENTRYPOINT', 'CMD'].map((wanted) => JSON.parse(instructions.find(({ keyword }) => keyword === wanted).text));
    assert.deepEqual([entrypoint, command], [['/bin/cp', '/plugin.wasm'], ['/module/accredit.wasm']]);
    const folder = temporaryFolder();
    const copied = spawnSync(entrypoint[0], [wasmPath(), join(folder, 'accredit.wasm')]);
    assert.equal(copied.status, 0);
    assert.deepEqual(readFileSync(join(folder, 'accredit.wasm')), readFileSync(wasmPath()));
  });

  it('stands in Envoy\'s images where the rendered configurations of deploy/compose look for it', () => {
    const there = finals(stages(envoy.text)).map(({ instructions }) => instructions.find(({ from }) => from === 'build').words.at(-1));
    assert.deepEqual(there, ['/etc/envoy/accredit.wasm', '/etc/envoy/accredit.wasm']);
    const rendered = files.filter((path) => path.startsWith('deploy/compose/envoy/'));
    assert.equal(rendered.length, 5);
    for (const path of rendered) {
      const [listener] = parse(read(path)).static_resources.listeners;
      assert.equal(pluginOf(listener).vm_config.code.local.filename, there[0], path);
    }
  });
});

describe('the build stage', () => {
  it('needs no file of the repository that it does not copy: those that the module here was built from', () => {
    const copied = new Set(brought(stage(module, 'build'), module.ignore, files).map(([path]) => path));
    const builds = ['wasm', 'wasm-debian'].map((name) => join(ROOT, 'target', name, 'wasm32-wasip1/release/accredit.d')).filter(existsSync);
    assert.ok(builds.length > 0, 'the module was not built here: run "make wasm"');
    for (const path of builds) {
      const sources = readFileSync(path, 'utf8').replaceAll('\\\n', ' ').split(': ')[1].trim().split(/(?<!\\) /).map((name) => relative(ROOT, name.replaceAll('\\ ', ' ')));
      assert.ok(sources.length > 50);
      assert.deepEqual(sources.filter((name) => !copied.has(name)), []);
    }
  });

  it('in a folder with what it copies and nothing else, runs deploy/build/wasm.sh to its end and leaves the module where the images take it', () => {
    const build = stage(module, 'build');
    const root = temporaryFolder();
    const inImage = (path) => join(root, path);
    const put = (path, mode) => (from) => { mkdirSync(dirname(inImage(path)), { recursive: true }); typeof from === 'string' ? writeFileSync(inImage(path), from) : copyFileSync(from.path, inImage(path)); chmodSync(inImage(path), mode); };
    for (const [path, target] of brought(build, module.ignore, files)) put(target, statSync(join(ROOT, path)).mode)({ path: join(ROOT, path) });
    // What the image and the stage `tools` bring: a toolchain that has the target, and wasm-opt. Here they only hand on the module that was built before.
    put('/built/accredit.wasm', 0o644)({ path: wasmPath() });
    put('/lib/libstd-1.rlib', 0o644)('');
    put('/bin/rustc', 0o755)(`#!/bin/sh\necho ${inImage('/lib')}\n`);
    put('/bin/cargo', 0o755)(`#!/bin/sh\n[ -f Cargo.toml ] && [ -f Cargo.lock ] && [ -d src ] || exit 1\necho "$*" >${inImage('/cargo')}\necho '{"filenames":["${inImage('/built/accredit.wasm')}"]}'\n`);
    put('/accredit/deploy/build/node_modules/.bin/wasm-opt', 0o755)('#!/bin/sh\nfor word; do case "$word" in *.wasm) in=$word;; *.new) out=$word;; esac; done; cp "$in" "$out"\n');
    const command = runs(build).find((text) => text.includes('wasm.sh'));
    const taken = new Set([module, envoy].flatMap(({ text }) => stages(text)).flatMap(({ instructions }) => instructions.filter(({ from }) => from === 'build').map(({ words }) => words[0])));
    assert.deepEqual([...taken], [command.split(' ').at(-1)]);
    const run = spawnSync('sh', ['-c', command.replaceAll('/accredit/target', inImage('/accredit/target'))], { cwd: inImage('/accredit'), env: { ...process.env, PATH: `${inImage('/bin')}:${process.env.PATH}`, ACCREDIT_TOOLCHAIN: '' }, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(readFileSync(inImage([...taken][0])), readFileSync(wasmPath()));
    assert.match(readFileSync(inImage('/cargo'), 'utf8'), /^build --locked --target wasm32-wasip1 .*--release --lib/);
  });

  it('takes its tools from the lock file', () => {
    for (const { text, ignore, of, at } of [{ ...module, of: 'tools', at: '/tools' }, { ...demo, of: 'demo', at: '/demo' }]) {
      const each = stages(text).find(({ name }) => name === of);
      assert.match(runs(each).find((command) => command.includes('npm')), /^npm ci( --omit=dev)?$/);
      const targets = brought(each, ignore, files).map(([, target]) => target);
      for (const name of ['package.json', 'package-lock.json', '.npmrc']) assert.ok(targets.includes(`${at}/${name}`), `${of}: ${name}`);
    }
  });
});

describe('the demo\'s image', () => {
  it('has every module that its services import', () => {
    const targets = new Set(brought(stage(demo, 'demo'), demo.ignore, files).map(([, target]) => target));
    const modules = readdirSync(join(ROOT, 'deploy/demo')).filter((name) => name.endsWith('.mjs'));
    for (const name of modules) {
      assert.ok(targets.has(`/demo/${name}`), name);
      for (const [, imported] of read(`deploy/demo/${name}`).matchAll(/from '\.\/(.*?)'/g)) assert.ok(targets.has(`/demo/${imported}`), `${name}: ${imported}`);
    }
  });
});
