// Checks the licence of each crate in the module, and collects the licence texts that must be distributed with it.
//
// It never guesses: a crate without a stated licence, with a licence that is not in the list, or without a licence text stops the build with an error that
// names it. If a crate states its licence but does not contain the text, the text is in notices/NAME-VERSION.txt, copied from its repository. The version is
// part of the name, so somebody must check the next version again.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import parseExpression from 'spdx-expression-parse';

const NOTICES = fileURLToPath(new URL('notices', import.meta.url));

/** Licences that require only that their text is distributed with the module. */
export const ALLOWED = ['Apache-2.0', 'Apache-2.0 WITH LLVM-exception', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'MIT-0', 'Unlicense', 'Zlib'];

const TEXT = /^((un)?licen[sc]e|copying)/i;
const BESIDE_IT = /^(notice|copyright|authors)/i;
// A file of one or two lines only refers to a licence elsewhere. The shortest licence, Zlib, has about nine hundred characters.
const SHORTEST = 500;
const RULE = '='.repeat(100);

/** The licence that a crate states, as an SPDX expression; older crates write `/` instead of `OR`. */
export function expressionOf({ name, version, licence }) {
  if (!licence) throw new Error(`${name} ${version}: it states no licence; replace the crate`);
  return licence.replace(/\s*\/\s*/g, ' OR ');
}

/** Refuses a crate if no licence that it offers is in the list. */
export function assertAllowed(crate) {
  const expression = expressionOf(crate);
  if (!isAllowed(parsed(crate, expression)))
    throw new Error(
      `${crate.name} ${crate.version}: its licence ${expression} is not in the list; replace the crate, or add the licence to ALLOWED in deploy/build/dist/licences.mjs`,
    );
}

function parsed({ name, version }, expression) {
  try {
    return parseExpression(expression);
  } catch {
    throw new Error(`${name} ${version}: its licence ${expression} is no SPDX expression; replace the crate`);
  }
}

function isAllowed({ conjunction, left, right, license, plus, exception }) {
  if (conjunction === 'or') return isAllowed(left) || isAllowed(right);
  if (conjunction === 'and') return isAllowed(left) && isAllowed(right);
  return ALLOWED.includes(`${license}${plus ? '+' : ''}${exception ? ` WITH ${exception}` : ''}`);
}

/** Texts that somebody looked up by hand: "NAME-VERSION" → text. */
export function readNotices() {
  return new Map(readdirSync(NOTICES).map((file) => [file.replace(/\.txt$/, ''), readFileSync(join(NOTICES, file), 'utf8')]));
}

/** The licence and notice files of a crate: `[{file, text}]`, at least one of them a licence. */
export function textsOf(crate, notices) {
  const isLicence = (file) => file === crate.licenceFile || TEXT.test(file);
  const found = filesIn(crate.folder).filter((file) => isLicence(file) || BESIDE_IT.test(file));
  const texts = found.map((file) => ({ file, text: readFileSync(join(crate.folder, file), 'utf8') }));
  if (texts.some(({ file, text }) => isLicence(file) && text.length >= SHORTEST)) return texts;
  const looked = notices.get(`${crate.name}-${crate.version}`);
  if (!looked)
    throw new Error(
      `${crate.name} ${crate.version}: it brings no text of its licence; take it from its repository into deploy/build/dist/notices/${crate.name}-${crate.version}.txt`,
    );
  return [...texts, { file: 'from its repository', text: looked }];
}

/** The files in the crate's top folder, and those in folders with a name like a licence. */
function filesIn(folder) {
  const isFolder = (name) => statSync(join(folder, name)).isDirectory();
  const names = readdirSync(folder).sort();
  const inside = names
    .filter((name) => TEXT.test(name) && isFolder(name))
    .flatMap((name) =>
      readdirSync(join(folder, name))
        .sort()
        .map((file) => join(name, file)),
    );
  return [...names, ...inside].filter((name) => !isFolder(name));
}

/**
 * THIRD-PARTY-LICENSES: the crates with their licences, and each licence text once, with the names of the crates that contain it. `what` they are in is the
 * module, which has a C library in it, or the command, which uses that of the machine.
 */
export function thirdPartyLicences([ours, ...others], { notices, compilerNotice, what = 'accredit.wasm' }) {
  const inModule = what === 'accredit.wasm';
  others.forEach(assertAllowed);
  const byText = new Map();
  for (const crate of others) {
    for (const { file, text } of textsOf(crate, notices)) {
      const key = text.replace(/\s+/g, ' ').trim();
      if (!byText.has(key)) byText.set(key, { text, owners: [] });
      byText.get(key).owners.push(`${crate.name} ${crate.version} (${file})`);
    }
  }
  const width = Math.max(...others.map(({ name, version }) => `${name} ${version}`.length)) + 2;
  const rows = others.map((crate) => `${`${crate.name} ${crate.version}`.padEnd(width)}${expressionOf(crate)}`);
  const sections = [...byText.values()].map(({ text, owners }) => section(owners, text));
  return [
    `What else is in ${what} ${ours.version}, beside Accredit itself (LICENSE): ${others.length} crates, ${inModule ? "Rust's standard library and wasi-libc" : "and Rust's standard library"}.`,
    'Where a crate leaves a choice, one of these is chosen: Apache-2.0, MIT, BSD, ISC, MIT-0, Zlib, Unlicense. Their texts follow the list.',
    '',
    ...rows,
    '',
    `Rust's standard library is under MIT OR Apache-2.0, both of which stand below. ${compilerNotice} names its copyright holders, and the crates`,
    `that it is built with: it is the notice that came with the compiler.${inModule ? ' wasi-libc, the C library below it, comes last here.' : ''}`,
    '',
    ...sections,
    ...(inModule ? [section(['wasi-libc'], required(notices, 'wasi-libc'))] : []),
  ].join('\n');
}

const section = (owners, text) => `${RULE}\n${owners.join('\n')}\n${RULE}\n\n${text.replaceAll('\r\n', '\n').trimEnd()}\n`;

function required(notices, name) {
  const text = notices.get(name);
  if (!text) throw new Error(`deploy/build/dist/notices/${name}.txt is missing`);
  return text;
}

/** The compiler's notice about its standard library: `{name, text}`, from rustup's toolchain or from Debian's packages. */
export function compilerNotice(sysroot) {
  const places = [
    ['RUST-LICENSES.html', join(sysroot, 'share/doc/rust/COPYRIGHT-library.html')],
    ...['libstd-rust-web-dev', 'libstd-rust-dev-wasm32', 'libstd-rust-dev'].map((one) => ['RUST-LICENSES.txt', join(sysroot, `share/doc/${one}/copyright`)]),
  ];
  for (const [name, path] of places) {
    try {
      return { name, text: readFileSync(path) };
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  throw new Error(
    `the compiler in ${sysroot} brings no notice for its standard library: expected one of ${places.map(([, path]) => relative(sysroot, path)).join(', ')}; install a toolchain by rustup`,
  );
}
