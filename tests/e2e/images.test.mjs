// The images of deploy/images, as far as they can be tested without a container engine: they are linted and pinned, and are made from files that exist, by the
// commands that build the module everywhere else. Each check also gets a broken file, and must refuse it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { withCalls } from '../../deploy/build/calls.mjs';
import { withoutOthers } from '../../deploy/build/exports.mjs';
import { pluginOf } from './lib/gateway.mjs';
import { build } from './lib/image-build.mjs';
import { brought, dockerfile, DOCKERFILES, finals, FOLDER, problems, read, stages, tracked } from './lib/images.mjs';
import { ROOT, temporaryFolder, wasmPath } from './lib/process.mjs';

const files = tracked();
const [module, envoy, demo] = ['module', 'envoy', 'demo'].map((name) => dockerfile(`${name}.Dockerfile`));
const stage = ({ text }, name) => stages(text).find((each) => each.name === name);
const runs = ({ instructions }) => instructions.filter(({ keyword }) => keyword === 'RUN').map(({ text }) => text);
const lib = (script) => /^VERSION=(.*)$/m.exec(read(`deploy/build/${script}`))[1];
const field = (name) => new RegExp(`^${name} = "(.*)"$`, 'm').exec(read('Cargo.toml'))[1];
const newer = (a, b) =>
  a
    .split('.')
    .map(Number)
    .reduce((known, part, index) => known || Math.sign(part - Number(b.split('.')[index] ?? 0)), 0) >= 0;

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
    it(`${each.name} is pinned, uses files that git has and stages that exist, and does not run as root`, () => assert.deepEqual(problems(each, files), []));
  }
});

describe('a Dockerfile is refused', () => {
  /** [what was changed, the Dockerfile, the old text, the new text, the expected complaint] */
  const BROKEN = [
    ['without a tag', module, 'rust:1.95.0-slim-bookworm', 'rust', /rust is not pinned/],
    ['with the newest of everything', envoy, 'envoyproxy/envoy:v1.40.0', 'envoyproxy/envoy:latest', /envoy:latest is not pinned/],
    ['with half a version', demo, 'node:24.21.0-bookworm-slim', 'node:24-bookworm-slim', /node:24-bookworm-slim is not pinned/],
    ['that copies a file that is not there', module, 'Cargo.lock ./', 'Cargo.lock Cargo.old ./', /COPY Cargo\.old, which git does not have/],
    ['that copies what was built here', demo, 'COPY deploy/demo/*.mjs ./', 'COPY deploy/demo/node_modules ./', /node_modules, which git does not have/],
    ['that copies what is hidden from the build', module, 'COPY src src', 'COPY docs docs', /COPY docs, which module\.Dockerfile\.dockerignore hides/],
    [
      'that copies from a stage that does not exist',
      module,
      'COPY --from=build /accredit/target/accredit.wasm /plugin.wasm\nUSER',
      'COPY --from=builder /accredit/target/accredit.wasm /plugin.wasm\nUSER',
      /--from=builder, and no earlier/,
    ],
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

  it('if its ignore file hides what it copies', () => {
    assert.match(
      problems({ ...demo, ignore: demo.ignore.replace('!deploy/demo/*.mjs\n', '') }, files).join('\n'),
      /which demo\.Dockerfile\.dockerignore hides/,
    );
  });
});

describe('versions', () => {
  it('of Rust satisfy Cargo.toml', () => {
    const [, toolchain] = /^rust:([\d.]+)-/.exec(stage(module, 'build').image);
    assert.ok(newer(toolchain, field('rust-version')), `${toolchain} is older than ${field('rust-version')}`);
    assert.equal(newer('1.87.9', field('rust-version')), false);
  });

  it('of Envoy are those that the tests use', () => {
    const images = finals(stages(envoy.text)).map(({ image }) => image);
    assert.deepEqual(images, [`envoyproxy/envoy:v${lib('envoy.sh')}`, `envoyproxy/envoy:distroless-v${lib('envoy.sh')}`]);
  });

  it('of our own images, in every example, are those of Cargo.toml', () => {
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

  it('is built by default, alone in one layer, at the path where Istio and Envoy Gateway look for it', () => {
    const last = stages(module.text).at(-1);
    assert.deepEqual([last.name, last.image], ['module', 'scratch']);
    assert.deepEqual(
      last.instructions.map(({ keyword, from, words }) => [keyword, from, words.at(-1)]),
      [['COPY', 'build', '/plugin.wasm']],
    );
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

  it("is in Envoy's images at the path that the rendered configurations of deploy/compose name", () => {
    const there = finals(stages(envoy.text)).map(({ instructions }) => instructions.find(({ from }) => from === 'build').words.at(-1));
    assert.deepEqual(there, ['/etc/envoy/accredit.wasm', '/etc/envoy/accredit.wasm']);
    const rendered = files.filter((path) => path.startsWith('deploy/compose/envoy/'));
    assert.equal(rendered.length, 6);
    for (const path of rendered) {
      const [listener] = parse(read(path)).static_resources.listeners;
      assert.equal(pluginOf(listener).vm_config.code.local.filename, there[0], path);
    }
  });
});

/** A module with one function that does nothing, and one memory, which are exported under these names: [{name, kind}]. */
function moduleOf(names) {
  const number = (value) => (value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))]);
  const section = (id, bytes) => [id, ...number(bytes.length), ...bytes];
  const exported = names.flatMap(({ name, kind }) => [...number(name.length), ...Buffer.from(name), kind === 'memory' ? 2 : 0, 0]);
  const sections = [
    section(1, [1, 0x60, 0, 0]),
    section(3, [1, 0]),
    section(5, [1, 0, 1]),
    section(7, [...number(names.length), ...exported]),
    section(10, [1, 2, 0, 0x0b]),
  ];
  return Buffer.from([...Buffer.from('\0asm'), 1, 0, 0, 0, ...sections.flat()]);
}

describe('the build', () => {
  /** All files in a folder and its folders. */
  const below = (folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, path, name }) => join('/', relative(folder, join(parentPath ?? path, name))))
      .sort();
  // The replacement of the compiler outputs a module that does nothing, with the exports of the real one; binaryen then writes it again.
  const compiled = join(temporaryFolder(), 'accredit.wasm');
  let written;
  before(() => {
    writeFileSync(compiled, moduleOf(WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(wasmPath())))));
    written = withCalls(withoutOthers(readFileSync(compiled)));
  });
  const sameModule = (path) => assert.ok(readFileSync(path).equals(written), path);

  /** Checks the result of the steps of each file. */
  const OUTCOMES = {
    'module.Dockerfile': (built) => {
      assert.deepEqual(below(built.get('module').folder), ['/plugin.wasm']);
      assert.deepEqual(built.get('module').settings, {});
      sameModule(join(built.get('module').folder, 'plugin.wasm'));
      const { folder, settings } = built.get('installer');
      sameModule(join(folder, 'plugin.wasm'));
      assert.deepEqual(settings, { USER: '65532:65532', ENTRYPOINT: '["/bin/cp", "/plugin.wasm"]', CMD: '["/module/accredit.wasm"]' });
      assert.deepEqual([...built.keys()].at(-1), 'module');
    },
    'envoy.Dockerfile': (built) => {
      for (const name of ['with-shell', 'distroless']) {
        sameModule(join(built.get(name).folder, 'etc/envoy/accredit.wasm'));
        assert.equal(readFileSync(join(built.get(name).folder, 'usr/local/bin/accredit'), 'utf8'), 'command\n', name);
      }
      assert.deepEqual([...built.keys()].at(-1), 'distroless');
    },
    'demo.Dockerfile': (built) => {
      const { folder, settings } = built.get('demo');
      for (const name of readdirSync(join(ROOT, 'deploy/demo')).filter((each) => each.endsWith('.mjs')))
        assert.ok(existsSync(join(folder, 'demo', name)), name);
      for (const path of ['demo/node_modules', 'keys/client', 'keys/gateway', 'mail']) assert.ok(existsSync(join(folder, path)), path);
      assert.deepEqual(settings, { ENV: 'NODE_ENV=production', USER: '1000:1000', CMD: '["node", "serve.mjs", "application"]' });
    },
  };
  const come = (each) => OUTCOMES[each.name](build(each, files, compiled));

  for (const each of [module, envoy, demo]) it(`${each.name}: every step finds what it needs, and makes what it should`, () => come(each));

  it('is refused if any one step is missing', () => {
    // deploy/build/wasm.sh would also add the target; it is a separate step so that docker can cache it.
    const FREE = /^RUN rustup target add/;
    let tried = 0;
    for (const each of [module, envoy, demo]) {
      for (const line of each.text.split('\n').filter((text) => /^[A-Z]+ /.test(text) && !FREE.test(text))) {
        const broken = { ...each, text: each.text.replace(`${line}\n`, '') };
        assert.ok(problems(broken, files).length > 0 || throws(() => come(broken)), `${each.name} without ${line}`);
        tried += 1;
      }
    }
    assert.ok(tried > 35, `${tried} steps`);
  });
  const throws = (work) => {
    try {
      work();
      return false;
    } catch {
      return true;
    }
  };

  it('copies every file of the repository from which the module was built', () => {
    const copies = stage(module, 'build').instructions.filter(({ keyword, from }) => keyword === 'COPY' && !from);
    const copied = new Set(copies.flatMap(({ words }) => brought({ words, folder: '/accredit' }, module.ignore, files)).map(([path]) => path));
    const builds = ['wasm', 'wasm-debian'].map((name) => join(ROOT, 'target', name, 'wasm32-wasip1/release/accredit.d')).filter(existsSync);
    assert.ok(builds.length > 0, 'the module was not built here: run "make wasm"');
    for (const path of builds) {
      const sources = readFileSync(path, 'utf8')
        .split(': ')[1]
        .trim()
        .split(/(?<!\\) /)
        .map((name) => relative(ROOT, name.replaceAll('\\ ', ' ')));
      assert.ok(sources.length > 50);
      assert.deepEqual(
        sources.filter((name) => !copied.has(name)),
        [],
      );
    }
  });

  it('copies every file from which the command line is made, beside the sources', () => {
    const copies = stage(envoy, 'command').instructions.filter(({ keyword, from }) => keyword === 'COPY' && !from);
    const copied = new Set(copies.flatMap(({ words }) => brought({ words, folder: '/accredit' }, envoy.ignore, files)).map(([path]) => path));
    const own = files.filter((path) => path.startsWith('src/cli/') && !path.endsWith('tests.rs'));
    const included = own.flatMap((path) =>
      [
        ...read(path)
          .split('#[cfg(test)]')[0]
          .matchAll(/include_str!\("(.*)"\)/g),
      ].map(([, name]) => join(path, '..', name)),
    );
    assert.ok(included.length >= 3, `${included}`);
    assert.deepEqual(
      included.filter((path) => !copied.has(path)),
      [],
    );
  });

  it('takes its tools from lock files', () => {
    for (const [each, name, command] of [
      [module, 'tools', 'npm ci'],
      [envoy, 'tools', 'npm ci'],
      [demo, 'demo', 'npm ci --omit=dev'],
    ])
      assert.ok(runs(stage(each, name)).includes(command), each.name);
  });
});

describe("the demo's image", () => {
  it('has every module that its services import', () => {
    const modules = readdirSync(join(ROOT, 'deploy/demo')).filter((name) => name.endsWith('.mjs'));
    for (const name of modules)
      for (const [, imported] of read(`deploy/demo/${name}`).matchAll(/(?:from |import\()'\.\/(.*?)'/g))
        assert.ok(modules.includes(imported), `${name}: ${imported}`);
  });
});
