// Which crates are in the module, by the lists that cargo keeps: `cargo tree` says which, `cargo metadata` what they say of themselves, Cargo.lock their
// checksums. Macros that run in the compiler, and what they need, are not in the module.
//
// `cargo metadata` alone would name too many: it resolves features as if everything were built at once, and keeps optional crates that nobody compiles.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PackageURL } from 'packageurl-js';

const TARGET = 'wasm32-wasip1';

/** What cargo says of the sources in a folder: `tree` and `lock` as text, `metadata` as a value. */
export function askCargo(root) {
  const cargo = (...words) => execFileSync('cargo', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
  const tree = cargo('tree', '--locked', '--target', TARGET, '--edges', 'normal,no-proc-macro', '--prefix', 'depth', '--no-dedupe', '--format', '{p}');
  const metadata = JSON.parse(cargo('metadata', '--locked', '--format-version', '1', '--filter-platform', TARGET));
  return { tree, metadata, lock: readFileSync(join(root, 'Cargo.lock'), 'utf8') };
}

/**
 * The crates of the module, ours first, then by name: `{name, version, licence, licenceFile, folder, checksum, purl, needs}`, where `needs` lists purls. A
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

/** Who needs whom: "name version" → a set of the same. The lines of the tree begin with their depth, and the first is ours. */
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

// Ours is in no registry.
function purlOf(id, isOurs) {
  const [name, version] = id.split(' ');
  return new PackageURL(isOurs ? 'generic' : 'cargo', undefined, name, version).toString();
}
