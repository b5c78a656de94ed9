// `make dist`: an archive with a whole release, whose lists of its content are true, and which has the same bytes wherever it is built.
//
// The archive is packed as make packs it, from the module under test, and unpacked with the system's tar. Then everything is built once more, from a copy of
// the sources in another folder. Which crates were compiled into the module is read from the lists of files that the compiler wrote for the second build.
//
// The second build is kept in target/elsewhere, so that only what has changed is compiled again. It never uses anything of the first build.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { sample } from '../../deploy/build/dist/archive.mjs';
import { askCargo, crates } from '../../deploy/build/dist/crates.mjs';
import { readNotices, thirdPartyLicences } from '../../deploy/build/dist/licences.mjs';
import { faultOf } from '../../deploy/build/dist/sbom.mjs';
import { assertTaken } from './lib/differences.mjs';
import { CARGO_HOME, copyOfSources, cratesNamedIn, elsewhere, otherHome, run, sha256 } from './lib/elsewhere.mjs';
import { validateFile } from './lib/envoy.mjs';
import { ROOT, temporaryFolder, wasmPath } from './lib/process.mjs';

const DATE = '1700000000';
const { version: VERSION } = /^version = "(?<version>.*)"$/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8')).groups;
const NAME = `accredit-${VERSION}.tar.gz`;

/** The files of a folder in the newest commit. Other files in the folder are not part of a release. */
const committed = (under) => run('git', ['ls-tree', '-r', '-z', '--name-only', 'HEAD', under]).split('\0').filter(Boolean);
const SAMPLES = committed('envoy/');

/** Packs a release from the sources in a folder: the archive, and the checksum beside it. */
function dist(root, module, environment = {}, more = []) {
  const output = temporaryFolder();
  const path = run(process.execPath, [join(root, 'deploy/build/dist.mjs'), '--module', module, '--output', output, ...more], {
    folder: root,
    environment: { SOURCE_DATE_EPOCH: DATE, ...environment },
  }).trim();
  assert.equal(path, join(output, NAME));
  const beside = readdirSync(output).filter((name) => !name.startsWith(NAME));
  assert.equal(beside.length, more.length, `${beside}`);
  return { path, bytes: readFileSync(path), beside: readFileSync(`${path}.sha256`, 'utf8') };
}

/** The files of a folder by their relative names. */
function filesIn(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return Object.fromEntries(
    names
      .map((one) => join(one.parentPath, one.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path)])
      .sort(),
  );
}

let archive, folder, files, asked;
before(() => {
  archive = dist(ROOT, wasmPath());
  const place = temporaryFolder();
  run('tar', ['xzf', archive.path], { folder: place });
  assert.deepEqual(readdirSync(place), [`accredit-${VERSION}`]);
  folder = join(place, `accredit-${VERSION}`);
  files = filesIn(folder);
  asked = askCargo(ROOT);
});

/** A person's own configuration beside the samples, with a secret in it. */
const MINE = 'envoy/bff-mine.yaml';
const writeMine = (place) =>
  writeFileSync(join(place, MINE), readFileSync(join(ROOT, 'envoy/bff.yaml'), 'utf8').replace(/^( *client_secret: ).*$/m, '$1{inline: a-secret-of-mine}'));

/** Removes the command line from the sources in a folder, and the crates that only it uses from their manifest. */
function removeCommandLine(place) {
  for (const name of ['src/cli', 'src/cli.rs', 'src/bin']) rmSync(join(place, name), { recursive: true });
  const edit = (name, pattern) => {
    const text = readFileSync(join(place, name), 'utf8');
    const without = text.replace(pattern, '');
    assert.notEqual(without, text, name);
    writeFileSync(join(place, name), without);
  };
  edit('src/lib.rs', /^#\[cfg\(not\(target_arch = "wasm32"\)\)\]\npub mod cli;\n/m);
  edit('Cargo.toml', /^\[target\.'cfg\(not\(target_arch = "wasm32"\)\)'\.dependencies\]\n(?!\[)(?:.+\n|\n(?!\[))*/m);
  // Takes those crates out of the lock file, and changes nothing else there.
  run('cargo', ['update', '--workspace', '--offline'], { folder: place });
}

/** Builds everything once more: from a copy of the sources, with another home of cargo, time zone and language, with files that others cannot read, and without the command line. */
function buildElsewhere() {
  const folder = elsewhere('elsewhere');
  const place = copyOfSources(join(folder, 'another place'));
  writeMine(place);
  removeCommandLine(place);

  const home = otherHome(folder);
  const environment = { CARGO_HOME: home, TZ: 'Asia/Kolkata', LC_ALL: 'et_EE.UTF-8' };
  const usual = process.umask(0o077);
  try {
    run(join(place, 'deploy/build/wasm.sh'), [], { folder: place, environment });
    const module = join(place, 'target/accredit.wasm');
    return { place, module: readFileSync(module), ...dist(place, module, environment) };
  } finally {
    process.umask(usual);
  }
}

/**
 * The crates of Cargo.lock whose sources the compiler has read for the module, as "name-version"; it lists them beside its output. Crates that are not in
 * Cargo.lock belong to the standard library, if that is built too.
 */
function compiledCrates(place) {
  const target = join(place, 'target');
  const notes = readdirSync(target, { recursive: true }).filter((path) => /wasm32-wasip1\/release\/deps\/[^/]+\.d$/.test(path));
  const read = new Set(
    notes.flatMap((path) => [...readFileSync(join(target, path), 'utf8').matchAll(/registry\/src\/[^/]+\/([^/]+)\//g)].map(([, name]) => name)),
  );
  return [...asked.lock.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)].map(([, name, version]) => `${name}-${version}`).filter((name) => read.has(name));
}

const bill = () => JSON.parse(files['sbom.cdx.json']);
const cratesInBill = () => bill().components.filter(({ purl }) => purl.startsWith('pkg:cargo/'));
const nameOf = ({ name, version }) => `${name}-${version}`;

describe('the archive', () => {
  it('contains the module, checksums, licences, the bill of materials and the sample configurations, and nothing else', () => {
    const notice = Object.keys(files).filter((name) => /^RUST-LICENSES\.(html|txt)$/.test(name));
    assert.equal(notice.length, 1);
    assert.ok(SAMPLES.includes('envoy/bff.yaml'));
    const expected = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SHA256SUMS', 'THIRD-PARTY-LICENSES', 'accredit.wasm', 'sbom.cdx.json', ...notice, ...SAMPLES];
    assert.deepEqual(Object.keys(files), expected.sort());
  });

  it('contains the module that was tested', () => {
    assert.ok(files['accredit.wasm'].equals(readFileSync(wasmPath())));
  });

  it('has a README that says what it is and how it was built, without unfilled gaps', () => {
    const text = files['README.md'].toString();
    assert.match(text, new RegExp(`^# Accredit ${VERSION.replaceAll('.', '\\.')}$`, 'm'));
    assert.ok(text.includes(run(join(ROOT, 'deploy/build/cargo-wasm.sh'), ['toolchain']).split('\n')[0]));
    assert.doesNotMatch(text, /@[A-Z_]+@|undefined/);
    const named = [...text.matchAll(/`([A-Z][\w-]+(?:\.\w+)?|\w+\.wasm|[\w.]+\.json|envoy\/[\w-]+\.yaml)`/g)].map(([, name]) => name);
    assert.ok(named.length >= 12);
    assert.deepEqual(
      named.filter((name) => !(name in files)),
      [],
    );
  });

  it('names no folder of the machine that made it', () => {
    for (const [name, bytes] of Object.entries(files))
      for (const path of [ROOT, `${homedir()}/`, CARGO_HOME]) assert.equal(bytes.includes(path), false, `${name} names ${path}`);
  });
});

/** What is wrong by SHA256SUMS: files with another checksum or without one, and lines without a file. */
function wrongIn(sums, among) {
  const lines = sums
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? assert.fail(line));
  const said = new Map(lines.map(([, sum, name]) => [name, sum]));
  return [...new Set([...said.keys(), ...Object.keys(among)])].filter((name) => !among[name] || said.get(name) !== sha256(among[name]));
}

describe('the checksums', () => {
  const others = () => Object.fromEntries(Object.entries(files).filter(([name]) => name !== 'SHA256SUMS'));

  it('exist for every file, and are right', () => {
    assert.deepEqual(wrongIn(files.SHA256SUMS, others()), []);
  });

  it('include one of the archive, in a file beside it', () => {
    assert.equal(archive.beside, `${sha256(archive.bytes)}  ${NAME}\n`);
  });

  it('reveal one changed byte in any file, a missing file, and an added file', () => {
    for (const name of Object.keys(others())) {
      const changed = Buffer.from(files[name]);
      changed[Math.floor(changed.length / 2)] ^= 1;
      assert.deepEqual(wrongIn(files.SHA256SUMS, { ...others(), [name]: changed }), [name]);
    }
    const { LICENSE: _, ...missing } = others();
    assert.deepEqual(wrongIn(files.SHA256SUMS, missing), ['LICENSE']);
    assert.deepEqual(wrongIn(files.SHA256SUMS, { ...others(), more: Buffer.from('') }), ['more']);
  });
});

describe('the bill of materials', () => {
  it('is valid CycloneDX', async () => {
    assert.equal(bill().specVersion, '1.6');
    assert.equal(await faultOf(files['sbom.cdx.json'].toString()), '');
  });

  for (const [what, change] of [
    ['a component without a name', ({ components }) => delete components[0].name],
    ['a checksum that is too short', ({ components }) => (components[0].hashes[0].content = 'abc')],
    ['a licence that SPDX does not know', ({ metadata }) => (metadata.component.licenses[0].license.id = 'Apache-9')],
    ['a field that CycloneDX does not know', (value) => (value.vendor = 'x')],
  ]) {
    it(`is not valid with ${what}`, async () => {
      const broken = bill();
      change(broken);
      assert.notEqual(await faultOf(JSON.stringify(broken)), '');
    });
  }

  it('has purl, version, licence and the checksum of Cargo.lock for each crate', () => {
    assert.ok(cratesInBill().length > 20);
    for (const { name, version, purl, licenses, hashes } of cratesInBill()) {
      assert.equal(purl, `pkg:cargo/${name}@${version}`);
      assert.ok(licenses[0].expression ?? licenses[0].license.id, name);
      assert.deepEqual(
        hashes.map(({ alg }) => alg),
        ['SHA-256'],
      );
      const block = asked.lock.split('\n\n').find((text) => text.includes(`name = "${name}"\nversion = "${version}"\n`));
      assert.ok(block.includes(`checksum = "${hashes[0].content}"`), name);
    }
  });

  it('names this version, the checksum of its module, and the standard library of the compiler that built it', () => {
    const { component, tools } = bill().metadata;
    assert.deepEqual(
      [component.name, component.version, component.hashes],
      ['accredit', VERSION, [{ alg: 'SHA-256', content: sha256(files['accredit.wasm']) }]],
    );
    const rustc = tools.components.find(({ name }) => name === 'rustc').version;
    assert.equal(bill().components.find(({ name }) => name === 'rust-std').version, rustc.split(' ')[0]);
  });

  it('has each crate that the bytes of the module name as the place of a line of its source', () => {
    const [named, listed] = [cratesNamedIn(files['accredit.wasm']), cratesInBill().map(nameOf)];
    assert.ok(named.length >= 20, `${named}`);
    assert.deepEqual(
      named.filter((name) => !listed.includes(name)),
      [],
    );
  });

  it('has a path from Accredit to every component', () => {
    const needs = new Map(bill().dependencies.map(({ ref, dependsOn = [] }) => [ref, dependsOn]));
    const reached = new Set();
    const walk = (ref) => reached.has(ref) || (reached.add(ref), needs.get(ref).forEach(walk));
    walk(bill().metadata.component['bom-ref']);
    assert.deepEqual(
      bill()
        .components.map((one) => one['bom-ref'])
        .filter((ref) => !reached.has(ref)),
      [],
    );
  });
});

describe('the archive of the command line', () => {
  const TARGET = /^host: (.*)$/m.exec(run('rustc', ['-vV']))[1];
  const program = join(ROOT, 'target/cli/accredit');
  let place, inside, commands;
  before(() => {
    run(join(ROOT, 'deploy/build/cli.sh'), []);
    const { path } = dist(ROOT, wasmPath(), {}, ['--command', program]);
    place = temporaryFolder();
    run('tar', ['xzf', path.replace('.tar.gz', `-${TARGET}.tar.gz`)], { folder: place });
    place = join(place, `accredit-${VERSION}-${TARGET}`);
    inside = filesIn(place);
    commands = crates(askCargo(ROOT, TARGET));
  });

  it('contains the program, checksums, licences and the bill of materials, and nothing else', () => {
    const notice = Object.keys(inside).filter((name) => /^RUST-LICENSES\.(html|txt)$/.test(name));
    assert.deepEqual(Object.keys(inside), ['LICENSE', 'README.md', 'SHA256SUMS', 'THIRD-PARTY-LICENSES', 'accredit', 'sbom.cdx.json', ...notice].sort());
    const { SHA256SUMS: sums, ...others } = inside;
    assert.deepEqual(wrongIn(sums, others), []);
    assert.doesNotMatch(inside['README.md'].toString(), /@[A-Z_]+@|undefined/);
  });

  it('runs where it was unpacked, and is of this version', () => {
    assert.equal(run(join(place, 'accredit'), ['--version']), `accredit ${VERSION}\n`);
  });

  it('names no folder of the machine that made it', () => {
    for (const [name, bytes] of Object.entries(inside))
      for (const path of [ROOT, `${homedir()}/`, CARGO_HOME]) assert.equal(bytes.includes(path), false, `${name} names ${path}`);
  });

  it('has a bill of materials with each crate that is in the program and not in the module, too', async () => {
    assert.equal(await faultOf(inside['sbom.cdx.json'].toString()), '');
    const { components, metadata } = JSON.parse(inside['sbom.cdx.json']);
    assert.deepEqual(metadata.component.hashes, [{ alg: 'SHA-256', content: sha256(inside.accredit) }]);
    const names = components.filter(({ purl }) => purl.startsWith('pkg:cargo/')).map(({ name }) => name);
    assert.deepEqual(
      names.sort(),
      commands
        .slice(1)
        .map(({ name }) => name)
        .sort(),
    );
    for (const name of ['clap', 'ureq', 'rustls', 'sha2']) assert.ok(names.includes(name), name);
    assert.equal(names.includes('proxy-wasm'), false);
  });

  it('has the text of each licence, word for word', () => {
    const plain = (text) => text.replace(/\s+/g, ' ').trim();
    const all = plain(inside['THIRD-PARTY-LICENSES'].toString());
    for (const { name, version, folder: sources } of commands.slice(1)) {
      assert.ok(all.includes(`${name} ${version} `), name);
      const texts = readdirSync(sources, { withFileTypes: true }).filter((one) => one.isFile() && /^(licen[sc]e|copying|notice)/i.test(one.name));
      for (const { name: file } of texts) assert.ok(all.includes(plain(readFileSync(join(sources, file), 'utf8'))), `${name}: ${file}`);
    }
  });
});

describe('the licences', () => {
  const RULE = '='.repeat(100);
  const listed = () =>
    [
      ...files['THIRD-PARTY-LICENSES']
        .toString()
        .split(RULE)[0]
        .matchAll(/^(\S+) (\d\S+) {2,}\S.*$/gm),
    ].map(([, name, version]) => `${name}-${version}`);

  it('are listed for the same crates as in the bill of materials', () => {
    assert.deepEqual(listed().sort(), cratesInBill().map(nameOf).sort());
  });

  it('include every text that a crate contains, word for word', () => {
    const plain = (text) => text.replace(/\s+/g, ' ').trim();
    const all = plain(files['THIRD-PARTY-LICENSES'].toString());
    for (const { name, folder: sources } of crates(asked).slice(1)) {
      const texts = readdirSync(sources).filter((file) => /licen[sc]e|copying|notice/i.test(file));
      for (const file of texts) assert.ok(all.includes(plain(readFileSync(join(sources, file), 'utf8'))), `${name}: ${file}`);
    }
  });

  it('have no texts that were looked up by hand for crates that are not in the module', () => {
    const names = new Set([...listed(), 'wasi-libc']);
    assert.deepEqual(
      [...readNotices().keys()].filter((name) => !names.has(name)),
      [],
    );
  });

  const licencesOf = (change) => {
    const changed = structuredClone(asked);
    change(
      changed,
      changed.metadata.packages.find(({ name }) => name === 'subtle'),
    );
    return thirdPartyLicences(crates(changed), { notices: readNotices(), compilerNotice: 'RUST-LICENSES.html' });
  };
  const withFiles = (contents) => (_, subtle) => {
    const place = temporaryFolder();
    for (const [name, text] of Object.entries(contents)) writeFileSync(join(place, name), text);
    subtle.manifest_path = join(place, 'Cargo.toml');
  };
  const stating = (licence) => (_, subtle) => (subtle.license = licence);

  for (const [what, change] of [
    ['a licence outside the list', stating('GPL-3.0-only')],
    ['a licence in the list together with one that is not', stating('MIT AND GPL-3.0-only')],
    ['an exception that nobody looked at', stating('Apache-2.0 WITH Classpath-exception-2.0')],
    ['a licence that SPDX does not know', stating('see the file')],
    ['no licence', stating(null)],
    ['no text of its licence', withFiles({ 'README.md': 'x'.repeat(1000), NOTICE: 'x'.repeat(1000) })],
    ['a line that points to a text elsewhere', withFiles({ LICENSE: 'BSD-3-Clause\n' })],
    ['no checksum in Cargo.lock', (changed) => (changed.lock = changed.lock.replace(/(name = "subtle"\n.*\n.*\n)checksum.*\n/, '$1'))],
    ['no place in the metadata', ({ metadata }, subtle) => metadata.packages.splice(metadata.packages.indexOf(subtle), 1)],
  ]) {
    it(`a crate with ${what} is refused by its name`, () => {
      assert.throws(() => licencesOf(change), /^Error: subtle \d+\.\d+\.\d+: /);
    });
  }

  it('a crate that offers a choice is used by the licence that is in the list', () => {
    assert.equal(
      licencesOf(() => {}),
      files['THIRD-PARTY-LICENSES'].toString().replaceAll('RUST-LICENSES.txt', 'RUST-LICENSES.html'),
    );
    assert.match(licencesOf(stating('GPL-3.0-only/BSD-3-Clause')), /^subtle \S+ +GPL-3\.0-only OR BSD-3-Clause$/m);
  });
});

describe('a sample configuration in the archive', () => {
  const named = (value) =>
    value === null || typeof value !== 'object'
      ? []
      : Object.entries(value).flatMap(([key, inner]) => [...(key === 'environment_variable' ? [inner] : []), ...named(inner)]);
  const check = (name, place) => {
    const variables = named(parse(readFileSync(join(place, name), 'utf8'), { merge: true }));
    return validateFile(name, { folder: place, environment: Object.fromEntries(variables.map((variable) => [variable, randomBytes(32).toString('base64')])) });
  };

  for (const name of SAMPLES) {
    it(`is accepted by Envoy in the folder where it was unpacked, with the module there: ${name}`, async () => {
      await assertTaken(await check(name, folder), parse(readFileSync(join(folder, name), 'utf8'), { merge: true }));
    });
  }

  it('is refused if the module is not beside it', async () => {
    const bare = temporaryFolder();
    cpSync(folder, bare, { recursive: true });
    rmSync(join(bare, 'accredit.wasm'));
    assert.notEqual((await check('envoy/bff.yaml', bare)).code, 0);
  });

  const shipped = readFileSync(join(ROOT, 'envoy/bff.yaml'), 'utf8');
  for (const [what, text] of [
    ['names the module in another way', shipped.replace('filename: target/accredit.wasm', 'filename: "target/accredit.wasm"')],
    ['names two modules', shipped.replace('filename: target/accredit.wasm', 'filename: target/accredit.wasm, filename: target/accredit.wasm')],
    ['names what only the repository has', `${shipped}# see target/demo\n`],
  ]) {
    it(`is not made from a file that ${what}`, () => {
      assert.throws(() => sample('bff.yaml', text), /^Error: envoy\/bff\.yaml: /);
    });
  }
});

describe('built once more, in another folder of another home', () => {
  let second;
  before(() => {
    second = buildElsewhere();
  });

  it('the module is the same bytes, with and without the command line', () => {
    assert.equal(sha256(second.module), sha256(files['accredit.wasm']));
  });

  it("the archive is the same bytes, though a configuration of somebody's own lies beside the samples", () => {
    assert.ok(existsSync(join(second.place, MINE)));
    assert.equal(sha256(second.bytes), sha256(archive.bytes));
    assert.equal(second.beside, archive.beside);
  });

  it('the compiler has read the crates that the bill of materials names, and no other', () => {
    assert.deepEqual(compiledCrates(second.place).sort(), cratesInBill().map(nameOf).sort());
  });
});

describe('a repository where somebody works', () => {
  let place;
  const git = (...words) => run('git', ['-C', place, '-c', 'user.name=x', '-c', 'user.email=x@example.com', '-c', 'commit.gpgsign=false', ...words]);
  const commit = () => git('add', '--all') + git('commit', '--quiet', '--no-verify', '--message', 'x');
  const packed = (more = {}) => {
    const output = temporaryFolder();
    const { status, stderr } = spawnSync(process.execPath, [join(place, 'deploy/build/dist.mjs'), '--module', wasmPath(), '--output', output], {
      env: { ...process.env, SOURCE_DATE_EPOCH: DATE, ...more },
      encoding: 'utf8',
    });
    return { status, stderr, archive: existsSync(join(output, NAME)) && sha256(readFileSync(join(output, NAME))) };
  };
  before(() => {
    place = copyOfSources();
    git('init', '--quiet');
    commit();
  });

  it('packs no file that is not committed, such as a configuration with a secret', () => {
    writeMine(place);
    assert.match(readFileSync(join(place, MINE), 'utf8'), /a-secret-of-mine/);
    const { status, stderr, archive: made } = packed();
    assert.equal(status, 0, stderr);
    assert.equal(made, sha256(archive.bytes));
    assert.doesNotMatch(stderr, /WARNING/);
  });

  it('packs a file that was changed since the commit only with a warning that names it', () => {
    for (const path of ['envoy/bff.yaml', 'CHANGELOG.md', 'src/lib.rs']) appendFileSync(join(place, path), path.endsWith('.rs') ? '// tried\n' : '# tried\n');
    const { status, stderr, archive: made } = packed();
    assert.equal(status, 0, stderr);
    assert.notEqual(made, sha256(archive.bytes));
    assert.match(stderr, /^accredit: WARNING: packed as they lie here, not as committed: CHANGELOG\.md, envoy\/bff\.yaml, src\/lib\.rs;/m);
  });

  it('packs nothing if a committed sample is not in the README of the archive', () => {
    commit();
    const { status, stderr, archive: made } = packed();
    assert.deepEqual([status, made], [1, false]);
    assert.match(stderr, /envoy\/bff-mine\.yaml: expected in the newest commit and in the table of deploy\/build\/dist\/README\.md/);
  });
});
