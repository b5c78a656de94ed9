// Does what `docker build` would do with a Dockerfile, in folders of this machine: each stage is a folder, COPY copies files of git or of an earlier stage, RUN
// runs a command. Small scripts replace the programs of base images (npm, cargo, rustup): npm makes a node_modules with this machine's binaryen, and cargo
// outputs a module that was made before, or a text in place of the command line if the files are there that it is made from.
//
// It tests whether the steps fit together: whether each step finds its files, and makes the files that later steps use. It proves nothing about base images.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { brought, stages } from './images.mjs';
import { ROOT, temporaryFolder } from './process.mjs';

/** Replacements of the programs in base images; $IMAGE is the folder of the image. */
const PROGRAMS = {
  node: {
    npm: `[ "$1" = ci ] && [ -f package.json ] && [ -f package-lock.json ] && [ -f .npmrc ] && mkdir -p node_modules/.bin && ln -s "$BINARYEN" node_modules/binaryen && printf %s "$OPTIMIZER" >node_modules/.bin/wasm-opt && chmod +x node_modules/.bin/wasm-opt`,
    install: `for word; do case "$word" in /*) mkdir -p "$word";; esac; done`,
  },
  rust: {
    rustup: `[ "$*" = "target add wasm32-wasip1" ] && mkdir -p "$IMAGE/rustlib" && : >"$IMAGE/rustlib/libstd-1.rlib"`,
    rustc: `echo "$IMAGE/rustlib"`,
    cargo: `[ -f Cargo.toml ] && [ -f Cargo.lock ] && [ -f src/lib.rs ] && case "$*" in "build --locked --target wasm32-wasip1 "*"--release --lib"*) echo "{\\"filenames\\":[\\"$BUILT\\"]}";; "build --locked --profile cli --bin accredit "*) cat envoy/bff.yaml deploy/compose/envoy/bff.yaml deploy/kubernetes/base/envoy.yaml >/dev/null && mkdir -p target/cli && echo command >target/cli/accredit;; *) exit 1;; esac`,
  },
};
const OPTIMIZER = `#!/bin/sh\n[ -x "$IMAGE/usr/local/bin/node" ] || exit 127\nfor word; do case "$word" in *.new) out=$word;; *.less) in=$word;; esac; done; cp "$in" "$out"`;

/** Builds all stages: {name → {folder, settings}}; a step that fails is an error. `compiled` is the module that cargo outputs. `settings` are the last USER,
 *  ENTRYPOINT, CMD and ENV. */
export function build({ name, text, ignore }, files, compiled) {
  const built = new Map();
  for (const stage of stages(text)) {
    const [image, bin] = [temporaryFolder(), temporaryFolder()];
    const base = /^(\w+):/.exec(stage.image)?.[1];
    for (const [program, lines] of Object.entries(PROGRAMS[base] ?? {})) script(join(bin, program), lines);
    if (base === 'node') script(join(image, 'usr/local/bin/node'), '');
    const settings = {};
    let folder = '/';
    for (const { keyword, from, words, text: line } of stage.instructions) {
      if (keyword === 'WORKDIR') mkdirSync(join(image, (folder = join(folder, words[0]))), { recursive: true });
      else if (keyword === 'COPY' && from) copyFrom(built.get(from)?.folder ?? '/nowhere', image, folder, words);
      else if (keyword === 'COPY') for (const [path, target] of brought({ words, folder }, ignore, files)) put(join(image, target), join(ROOT, path));
      else if (keyword === 'RUN') run(`${name}, stage ${stage.name}: ${line}`, line, { image, bin, folder, compiled });
      else settings[keyword] = line;
    }
    built.set(stage.name, { folder: image, settings });
  }
  return built;
}

function script(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

function put(path, from) {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(from, path);
}

function copyFrom(source, image, folder, words) {
  const target = words.at(-1);
  const at = target.startsWith('/') ? target : join(folder, target);
  for (const word of words.slice(0, -1)) cpSync(join(source, word), join(image, at), { recursive: true, verbatimSymlinks: true });
}

/** Runs a command. Absolute paths in it are paths of the image. */
function run(what, line, { image, bin, folder, compiled }) {
  const command = line.replace(/(^|\s)\/(?=[a-z])/g, `$1${image}/`);
  const env = {
    PATH: [bin, process.env.PATH].join(delimiter),
    HOME: image,
    IMAGE: image,
    BUILT: compiled,
    OPTIMIZER,
    BINARYEN: join(ROOT, 'deploy/build/node_modules/binaryen'),
  };
  const { status, stderr, error } = spawnSync('sh', ['-ec', command], { cwd: join(image, folder), env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${what}\n${error?.message ?? stderr}`);
}
