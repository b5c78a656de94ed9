// Which crates are in the module, or in the command. `cargo tree` lists them, `cargo metadata` has what they state about themselves, and Cargo.lock has their checksums. Macros
// run in the compiler, so they and the crates that they need are in neither.
//
// `cargo metadata` alone would list too many: it resolves features as if everything were built at once, and includes optional crates that are not compiled.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PackageURL } from 'packageurl-js';

const TARGET = 'wasm32-wasip1';

/** What cargo knows about the sources in a folder, compiled for a target: `tree` and `lock` as text, `metadata` as a value. */
export function askCargo(root, target = TARGET) {
  const cargo = (...words) => execFileSync('cargo', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
  const tree = cargo('tree', '--locked', '--target', target, '--edges', 'normal,no-proc-macro', '--prefix', 'depth', '--no-dedupe', '--format', '{p}');
  const metadata = JSON.parse(cargo('metadata', '--locked', '--format-version', '1', '--filter-platform', target));
  return { tree, metadata, lock: readFileSync(join(root, 'Cargo.lock'), 'utf8') };
}

/**
 * These crates, Accredit first, then by name: `{name, version, licence, licenceFile, folder, checksum, purl, needs}`. `needs` lists purls. A
 * crate that the metadata does not know, or Cargo.lock has no checksum for, is an error with its name.
 */
export function crates({ tree, metadata, lock }) {
  const checksums = checksumsOf(lock);
  const packages = new Map(metadata.packages.map((one) => [`${one.name} ${one.version}`, one]));
  const needs = edgesOf(tree);
  const [ours, ...others] = needs.keys();
  const purl = (id) => purlOf(id, id === ours);
  return [ours, ...others.sort()].map((id) => {
    const found = packages.get(id);
    if (!found) throw new Error(`${id}: cargo metadata does not know it`);
    if (id !== ours && !checksums.has(id)) throw new Error(`${id}: Cargo.lock has no checksum for it; take it from a registry`);
    return {
      name: found.name,
      version: found.version,
      licence: found.license,
      licenceFile: found.license_file,
      folder: dirname(found.manifest_path),
      checksum: checksums.get(id),
      purl: purl(id),
      needs: [...needs.get(id)].sort().map(purl),
    };
  });
}

/** The dependencies of each crate: "name version" → a set of the same. Each line of the tree begins with its depth; the first one is Accredit. */
function edgesOf(tree) {
  const needs = new Map();
  const path = [];
  for (const line of tree.trim().split('\n')) {
    const [, depth, name, version] = /^(\d+)(\S+) v(\S+)/.exec(line) ?? [];
    if (!name) throw new Error(`cargo tree: expected depth, name and version, found ${line}`);
    const id = `${name} ${version}`;
    path.splice(Number(depth), Infinity, id);
    if (!needs.has(id)) needs.set(id, new Set());
    if (path.length > 1) needs.get(path.at(-2)).add(id);
  }
  return needs;
}

function checksumsOf(lock) {
  const blocks = lock.split('[[package]]').slice(1);
  const word = (block, name) => new RegExp(`^${name} = "(.*)"$`, 'm').exec(block)?.[1];
  return new Map(
    blocks.filter((block) => word(block, 'checksum')).map((block) => [`${word(block, 'name')} ${word(block, 'version')}`, word(block, 'checksum')]),
  );
}

// Accredit itself is in no registry.
function purlOf(id, isOurs) {
  const [name, version] = id.split(' ');
  return new PackageURL(isOurs ? 'generic' : 'cargo', undefined, name, version).toString();
}
