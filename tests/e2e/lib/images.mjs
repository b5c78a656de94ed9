// Checks a Dockerfile of deploy/images, and returns a list of what is wrong with it, each in a sentence. Tests also check broken copies.
//
// It parses the file by a library (dockerfile-ast), knows the repository's files from `git ls-files`, and starts no program but git.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import dockerignore from '@balena/dockerignore';
import { DockerfileParser } from 'dockerfile-ast';
import { ROOT } from './process.mjs';

export const FOLDER = 'deploy/images';
export const DOCKERFILES = readdirSync(join(ROOT, FOLDER))
  .filter((name) => name.endsWith('.Dockerfile'))
  .sort();

export const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** A Dockerfile of this folder, with its ignore file. */
export const dockerfile = (name) => ({ name, text: read(`${FOLDER}/${name}`), ignore: read(`${FOLDER}/${name}.dockerignore`) });

/** The files that git has, which are those of a fresh clone. */
export function tracked() {
  const run = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`git ls-files: ${run.error?.message ?? run.stderr}`);
  return run.stdout.split('\0').filter((path) => path && existsSync(join(ROOT, path)));
}

/** The stages of a Dockerfile in their order: {name, image, instructions: [{keyword, words, from, text}]}. */
export function stages(text) {
  const file = DockerfileParser.parse(text);
  const found = [];
  for (const each of file.getInstructions()) {
    const keyword = each.getKeyword().toUpperCase();
    if (keyword === 'FROM') found.push({ name: each.getBuildStage(), image: each.getImage(), instructions: [] });
    else {
      const from = each
        .getFlags?.()
        .find((flag) => flag.getName() === 'from')
        ?.getValue();
      found
        .at(-1)
        ?.instructions.push({ keyword, from, words: each.getArguments().map((word) => word.getValue()), text: each.getRawArgumentsContent?.() ?? '' });
    }
  }
  return found;
}

/** The stages that no other stage uses: the images that are the result. */
export function finals(all) {
  const used = new Set(all.flatMap(({ image, instructions }) => [image, ...instructions.map(({ from }) => from)]));
  return all.filter(({ name }) => !used.has(name));
}

const PINNED = /^[a-z0-9./-]+:(distroless-)?v?\d+\.\d+\.\d+(-[a-z0-9-]+)?(@sha256:[0-9a-f]{64})?$/;
const NUMBERS = /^[1-9]\d*:[1-9]\d*$/;

/** Everything that is wrong with a Dockerfile. */
export function problems({ name, text, ignore }, files = tracked()) {
  const all = stages(text);
  const wrong = [];
  const earlier = new Set();
  for (const stage of all) {
    const { image, instructions } = stage;
    if (!stage.name) wrong.push(`${name}: a stage from ${image} has no name`);
    if (image !== 'scratch' && !earlier.has(image) && !PINNED.test(image)) wrong.push(`${name}: ${image} is not pinned to a full version`);
    for (const { keyword, from, words } of instructions.filter((each) => ['COPY', 'ADD'].includes(each.keyword))) {
      if (keyword === 'ADD') wrong.push(`${name}: ADD, where COPY would do`);
      if (from !== undefined && !earlier.has(from)) wrong.push(`${name}: COPY --from=${from}, and no earlier stage is called that`);
      if (from === undefined) wrong.push(...words.slice(0, -1).flatMap((source) => missing(name, source, ignore, files)));
    }
    const placed = instructions.findIndex(({ keyword }) => keyword === 'WORKDIR');
    const loose = instructions.findIndex(({ keyword, words }) => keyword === 'COPY' && !words.at(-1).startsWith('/'));
    if (loose >= 0 && (placed < 0 || placed > loose)) wrong.push(`${name}: ${stage.name} copies to a relative place before there is a WORKDIR`);
    earlier.add(stage.name);
  }
  for (const stage of finals(all).filter(({ image }) => image !== 'scratch')) {
    const user = stage.instructions.filter(({ keyword }) => keyword === 'USER').at(-1)?.words[0];
    if (!NUMBERS.test(user ?? ''))
      wrong.push(`${name}: ${stage.name} runs as ${user ?? 'whoever its base image names'}; write USER with two numbers, neither of them 0`);
  }
  if (!/^# .{20}/.test(text)) wrong.push(`${name}: it does not say first what it is`);
  return wrong;
}

/** What is wrong with a source of COPY: it must be in a fresh clone, and the ignore file must not hide it. */
function missing(name, source, ignore, files) {
  const there = files.filter((path) => covers(source, path));
  if (there.length === 0) return [`${name}: COPY ${source}, which git does not have`];
  const hidden = dockerignore().add(ignore);
  return there.every((path) => hidden.ignores(path)) ? [`${name}: COPY ${source}, which ${name}.dockerignore hides`] : [];
}

/** Whether a source of COPY includes this path: as the file itself, in a folder, or by a pattern in one folder. */
function covers(source, path) {
  const plain = normalize(source).replace(/\/$/, '');
  if (!plain.includes('*')) return path === plain || path.startsWith(`${plain}/`);
  const pattern = new RegExp(`^${plain.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`);
  return pattern.test(path);
}

/** The files that a COPY takes from the repository, when this is the working folder: [[path in the repository, path in the image]]. */
export function brought({ words, folder }, ignore, files = tracked()) {
  const hidden = dockerignore().add(ignore);
  const target = words.at(-1);
  const at = target.startsWith('/') ? target : join(folder, target);
  return words.slice(0, -1).flatMap((source) =>
    files
      .filter((path) => covers(source, path) && !hidden.ignores(path))
      .map((path) => {
        const plain = normalize(source).replace(/\/$/, '');
        if (path !== plain && !plain.includes('*')) return [path, join(at, path.slice(plain.length + 1))];
        return [path, target.endsWith('/') || words.length > 2 ? join(at, basename(path)) : at];
      }),
  );
}
