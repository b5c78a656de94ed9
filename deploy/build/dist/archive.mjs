// The archive as bytes: the same files and the same date give the same bytes, whoever packs them and wherever.
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The lines of `sha256sum`, for files by name. */
export function checksums(files) {
  return sorted(files)
    .map((name) => `${sha256(files[name])}  ${name}\n`)
    .join('');
}

// Sorted by code points, because the alphabetical order of a language depends on the machine.
const sorted = (files) => Object.keys(files).sort();

/**
 * A gzipped tar with one folder at the top. Everything belongs to root, is readable by everybody, and has the same date (in seconds since 1970). The files named
 * in `programs` can be executed.
 */
export async function pack(top, files, date, programs = []) {
  const archive = tar.pack();
  const whole = buffer(archive);
  const entry = (name, about, bytes) =>
    archive.entry({ name: `${top}/${name}`, uid: 0, gid: 0, uname: 'root', gname: 'root', mtime: new Date(date * 1000), ...about }, bytes);

  const folders = new Set(
    sorted(files)
      .filter((name) => name.includes('/'))
      .map((name) => name.slice(0, name.lastIndexOf('/') + 1)),
  );
  for (const folder of ['', ...folders]) entry(folder, { type: 'directory', mode: 0o755 });
  for (const name of sorted(files)) entry(name, { mode: programs.includes(name) ? 0o755 : 0o644 }, Buffer.from(files[name]));
  archive.finalize();

  const zipped = gzipSync(await whole, { level: 9 });
  // The tenth byte names the operating system; 255 means unknown (RFC 1952, section 2.3.1). Node.js writes neither a file name nor a date.
  zipped[9] = 255;
  return zipped;
}

// Texts of the samples that are true only in the repository, and their replacements in the archive: [text, replacement, how an error names it]. Each must be
// in the file exactly once.
const REWRITTEN = [
  [/^# yaml-language-server: .*\n/m, '', 'the line that names a schema for editors'],
  [/^# Try it {8}make demo.*\n#\n/m, '', 'the lines "Try it  make demo"'],
  [/^# {17}make wasm\n/m, '', 'the line "make wasm"'],
  ["from the repository's root", "from the archive's folder", '"from the repository\'s root"'],
  ['filename: target/accredit.wasm', 'filename: accredit.wasm', 'filename: target/accredit.wasm'],
];

/** A shipped configuration as it is in the archive, where the module is in the top folder. */
export function sample(name, text) {
  const made = REWRITTEN.reduce((now, [what, by, words]) => {
    const parts = now.split(what);
    if (parts.length !== 2)
      throw new Error(
        `envoy/${name}: expected ${words} once, found it ${parts.length - 1} times; change the file, or REWRITTEN in deploy/build/dist/archive.mjs`,
      );
    return parts.join(by);
  }, text);
  if (/\btarget\/|make demo/.test(made))
    throw new Error(`envoy/${name}: it names something that is in the repository alone: ${/.*(\btarget\/|make demo).*/.exec(made)[0].trim()}`);
  return made;
}
