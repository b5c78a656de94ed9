// Packs a release: `node dist.mjs [--module FILE] [--command FILE] [--output FOLDER]`, by default target/accredit.wasm into target/dist. Prints the archive's path.
//
// accredit-VERSION.tar.gz contains the module, its checksums, its licences, its bill of materials and the sample configurations; the checksum of the archive
// itself is in a file beside it. With --command, the command line gets an archive of its own, accredit-VERSION-TARGET.tar.gz, because it is for one kind of
// machine, and the module for all.
//
// The same sources, compiler and Node.js give the same bytes, wherever and whenever this runs: nothing depends on the time, the
// user or the folder. It packs only files that it names, never other files of the same folders. If something is wrong with the content, for example a crate
// without a licence, it packs nothing and ends with an error message.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checksums, pack, sample, sha256 } from './dist/archive.mjs';
import { askCargo, crates as cratesOf } from './dist/crates.mjs';
import { compilerNotice, readNotices, thirdPartyLicences } from './dist/licences.mjs';
import { billOfMaterials, faultOf } from './dist/sbom.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(ROOT, path));

// Without this check, git would treat sources that were unpacked inside another repository as a part of that repository.
const inRepository = () => existsSync(join(ROOT, '.git'));
const git = (...words) => execFileSync('git', ['-C', ROOT, ...words], { encoding: 'utf8' });

/** The date of everything in the archive, in seconds since 1970: SOURCE_DATE_EPOCH; without it, the newest commit's; without a repository, 1980. */
function sourceDate() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && !/^\d{1,10}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH: expected seconds since 1970, found ${given}`);
  if (given !== undefined) return Number(given);
  if (!inRepository()) return Date.UTC(1980, 0, 1) / 1000;
  return Number(git('log', '-1', '--format=%ct'));
}

/** The sample configurations, by the names in the archive's README. In a repository, they must be the same as in its newest commit. */
function sampleNames(readme) {
  const told = [...readme.matchAll(/^\| `(envoy\/[\w-]+\.yaml)` \|/gm)].map(([, path]) => path).sort();
  if (!inRepository()) return told;
  const committed = git('ls-tree', '-z', '--name-only', 'HEAD', 'envoy/').split('\0').filter(Boolean).sort();
  const differing = [...told.filter((path) => !committed.includes(path)), ...committed.filter((path) => !told.includes(path))];
  if (differing.length > 0)
    throw new Error(`${differing.join(', ')}: expected in the newest commit and in the table of deploy/build/dist/README.md, found in one of them`);
  return told;
}

/** Warns about packed sources that differ from the newest commit, so that nobody publishes an experiment by mistake. */
function tellUncommitted(paths) {
  if (!inRepository()) return;
  const found = git('status', '--porcelain', '-z', '--no-renames', '--', ...paths)
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(3));
  if (found.length > 0) console.error(`accredit: WARNING: packed as they lie here, not as committed: ${found.join(', ')}; this archive is for nobody else`);
}

/** What builds the module: the version and the folder of rustc, and the version of wasm-opt. */
function toolchain() {
  const [rustc, sysroot] = execFileSync(join(ROOT, 'deploy/build/cargo-wasm.sh'), ['toolchain'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    .trim()
    .split('\n');
  const { devDependencies } = JSON.parse(read('deploy/build/package.json'));
  return { rustc, sysroot, wasmOpt: devDependencies.binaryen, node: process.version };
}

/** What rustc says of itself. The command is built with the usual compiler, the module perhaps with another (cargo-wasm.sh). */
const rustc = (...words) => execFileSync('rustc', words, { cwd: ROOT, encoding: 'utf8' }).trim();

/** Writes an archive of these files and its checksum, and returns its path. */
async function write(output, name, files, date, programs) {
  files.SHA256SUMS = checksums(files);
  const archive = await pack(name, files, date, programs);
  mkdirSync(output, { recursive: true });
  writeFileSync(join(output, `${name}.tar.gz`), archive);
  writeFileSync(join(output, `${name}.tar.gz.sha256`), checksums({ [`${name}.tar.gz`]: archive }));
  return { path: join(output, `${name}.tar.gz`), bytes: archive.length };
}

/** Packs the command line, with what must be known of it. */
async function distCommand({ command, output }) {
  const [date, tools] = [sourceDate(), { rustc: rustc('--version'), sysroot: rustc('--print', 'sysroot') }];
  // The kind of machine, such as x86_64-unknown-linux-gnu.
  const target = /^host: (.*)$/m.exec(rustc('-vV'))[1];
  const crates = cratesOf(askCargo(ROOT, target));
  const program = readFileSync(command);
  const notice = compilerNotice(tools.sysroot);
  const bill = billOfMaterials({ crates, tools, date, command: sha256(program) });
  const fault = await faultOf(bill);
  if (fault) throw new Error(`the bill of materials of the command is no valid CycloneDX: ${fault}`);
  const words = { VERSION: crates[0].version, RUSTC: tools.rustc, TARGET: target, COMPILER_NOTICE: notice.name };
  const files = {
    LICENSE: read('LICENSE'),
    'README.md': filled(read('deploy/build/dist/COMMAND.md').toString(), words),
    'THIRD-PARTY-LICENSES': thirdPartyLicences(crates, { notices: readNotices(), compilerNotice: notice.name, what: 'the command accredit' }),
    accredit: program,
    'sbom.cdx.json': bill,
    [notice.name]: notice.text,
  };
  return write(output, `accredit-${crates[0].version}-${target}`, files, date, ['accredit']);
}

/** A text whose gaps, such as @VERSION@, are filled. */
const filled = (text, words) => text.replace(/@([A-Z_]+)@/g, (_, word) => words[word]);

async function dist({ module, output }) {
  const date = sourceDate();
  const tools = toolchain();
  const crates = cratesOf(askCargo(ROOT));
  const [accredit] = crates;
  const wasm = readFileSync(module);
  const notice = compilerNotice(tools.sysroot);
  const licences = thirdPartyLicences(crates, { notices: readNotices(), compilerNotice: notice.name });

  const bill = billOfMaterials({ crates, tools, date, module: sha256(wasm) });
  const fault = await faultOf(bill);
  if (fault) throw new Error(`the bill of materials is no valid CycloneDX: ${fault}`);

  const words = { VERSION: accredit.version, RUSTC: tools.rustc, WASM_OPT: tools.wasmOpt, NODE: tools.node, COMPILER_NOTICE: notice.name };
  const readme = read('deploy/build/dist/README.md').toString();
  const samples = sampleNames(readme);
  tellUncommitted(['CHANGELOG.md', 'LICENSE', 'Cargo.toml', 'Cargo.lock', 'src', 'deploy/build', ...samples]);
  const files = {
    'CHANGELOG.md': read('CHANGELOG.md'),
    LICENSE: read('LICENSE'),
    'README.md': filled(readme, words),
    'THIRD-PARTY-LICENSES': licences,
    'accredit.wasm': wasm,
    'sbom.cdx.json': bill,
    [notice.name]: notice.text,
  };
  for (const path of samples) files[path] = sample(path.slice('envoy/'.length), read(path).toString());
  return { ...(await write(output, `accredit-${accredit.version}`, files, date)), crates: crates.length - 1 };
}

const { values } = parseArgs({ options: { module: { type: 'string' }, command: { type: 'string' }, output: { type: 'string' } } });
try {
  const output = resolve(values.output ?? join(ROOT, 'target/dist'));
  const { path, bytes, crates } = await dist({ module: resolve(values.module ?? join(ROOT, 'target/accredit.wasm')), output });
  console.error(`accredit: ${relative(process.cwd(), path)} has ${bytes} bytes; ${crates} crates are in the module`);
  if (values.command) {
    const packed = await distCommand({ command: resolve(values.command), output });
    console.error(`accredit: ${relative(process.cwd(), packed.path)} has ${packed.bytes} bytes; it is for this kind of machine`);
  }
  console.log(path);
} catch (error) {
  console.error(`accredit: ${error.message}`);
  process.exitCode = 1;
}
