// The manifests under deploy/kubernetes as the real tools see them: built by kustomize (in kubectl), and validated against the API's own schemas
// (kubernetes-validate --strict). No cluster is used.

import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT, temporaryFolder } from './process.mjs';

export const OVERLAYS = ['staging', 'production'];

/** The oldest version of the API that has every field in use, and the newest version that has schemas. */
export const API_VERSIONS = ['1.30.0', '1.37.0'];

/** The path that a script of deploy/build prints. */
function tool(script) {
  const run = spawnSync(join(ROOT, 'deploy/build', script), { encoding: 'utf8', timeout: 300_000 });
  if (run.status !== 0) throw new Error(`deploy/build/${script} gives no program: ${run.error?.message ?? run.stderr}`);
  return run.stdout.trim();
}

const found = {};
/** The path of a kubectl that can build: deploy/build/kubectl.sh finds it. */
export const kubectl = () => (found.kubectl ??= tool('kubectl.sh'));
const validator = () => (found.validator ??= tool('kubernetes-validate.sh'));

/** All objects that an overlay builds. */
export function build(overlay) {
  const run = spawnSync(kubectl(), ['kustomize', `deploy/kubernetes/overlays/${overlay}`], { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
  if (run.status !== 0) throw new Error(`kustomize refuses ${overlay}: ${run.error?.message ?? run.stderr}`);
  return objectsIn(run.stdout);
}

/** All objects that an overlay builds if it names this component. */
export function buildWith(component, overlay) {
  const folder = temporaryFolder();
  const base = relative(realpathSync(folder), realpathSync(join(ROOT, 'deploy/kubernetes')));
  const [own, named] = [readFileSync(join(ROOT, `deploy/kubernetes/overlays/${overlay}/kustomization.yaml`), 'utf8'), 'resources: [../../base]'];
  if (!own.includes(named)) throw new Error(`${overlay} names its base in another way`);
  writeFileSync(join(folder, 'kustomization.yaml'), own.replace(named, `resources: [${base}/base]\ncomponents: [${base}/components/${component}]`));
  const run = spawnSync(kubectl(), ['kustomize', folder], { encoding: 'utf8', timeout: 60_000 });
  if (run.status !== 0) throw new Error(`kustomize refuses ${component} in ${overlay}: ${run.error?.message ?? run.stderr}`);
  return objectsIn(run.stdout);
}

export const objectsIn = (text) =>
  parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter(Boolean);

/** Kind and name of an object, without the hash that kustomize appends to generated names. */
export const labelOf = ({ kind, metadata }) => `${kind}/${kind === 'ConfigMap' ? metadata.name.replace(/-[a-z0-9]{10}$/, '') : metadata.name}`;

export function objectOf(objects, label) {
  const [object, ...more] = objects.filter((candidate) => labelOf(candidate) === label);
  if (!object || more.length > 0) throw new Error(`expected one ${label}, found ${objects.map(labelOf).join(', ')}`);
  return object;
}

/** For each object, the error of `kubernetes-validate --strict`, or undefined; one process checks all objects. */
export function schemaRefusals(objects, version = API_VERSIONS.at(-1)) {
  const folder = temporaryFolder();
  const files = objects.map((_, index) => join(folder, `${index}.json`));
  const whole = objects.map(({ apiVersion, kind, metadata }) => Boolean(apiVersion && kind && metadata?.name));
  // The tool cannot check an object without these three.
  objects.forEach((object, index) => writeFileSync(files[index], whole[index] ? JSON.stringify(object) : ''));
  const run = spawnSync(validator(), ['--strict', '-k', version, ...files], { encoding: 'utf8', timeout: 300_000, maxBuffer: 64 * 1024 * 1024 });
  if (run.error || ![0, 1].includes(run.status))
    throw new Error(`kubernetes-validate: ${run.error?.message ?? `${run.stdout.slice(-500)}${run.stderr.slice(-2000)}`}`);
  const answers = new Map(
    run.stdout
      .split('\n')
      .map((line) => /^(\w+) \S*?(\d+)\.json (.*)$/.exec(line))
      .filter(Boolean)
      .map(([, verdict, index, text]) => [Number(index), { verdict, text }]),
  );
  return objects.map((_, index) => {
    if (!whole[index]) return 'expected apiVersion, kind and metadata.name';
    const { verdict, text } = answers.get(index) ?? { text: 'nothing was said about it' };
    return verdict === 'INFO' ? undefined : text; // for a kind without a schema the tool only warns; here it is a failure
  });
}

/** The paths of an object that its schema requires and that it has: ['spec', 'template'] … */
export function requiredPaths(object, version = API_VERSIONS.at(-1)) {
  const library = join(dirname(validator()), '../lib');
  const [python] = readdirSync(library).filter((name) => name.startsWith('python3'));
  const folder = join(library, python, `site-packages/kubernetes_validate/kubernetes-json-schema/v${version}-local-strict`);
  const read = (name) => (found[`${version}/${name}`] ??= JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const group = object.apiVersion.includes('/') ? object.apiVersion.replace(/^([^./]*)(\.[^/]*)?\//, '$1-') : object.apiVersion;
  const resolve = (schema) => (schema?.$ref ? resolve(read('_definitions.json').$defs[schema.$ref.split('/').at(-1)]) : schema);
  const walk = (schema, value, path) => {
    const { required = [], properties = {}, items, additionalProperties } = resolve(schema) ?? {};
    if (Array.isArray(value)) return value.flatMap((inner, index) => walk(items, inner, [...path, index]));
    if (value === null || typeof value !== 'object') return [];
    return Object.entries(value).flatMap(([name, inner]) => [
      ...(required.includes(name) ? [[...path, name]] : []),
      ...walk(properties[name] ?? additionalProperties, inner, [...path, name]),
    ]);
  };
  const named = [['apiVersion'], ['kind'], ['metadata'], ['metadata', 'name']];
  return [
    ...named,
    ...walk(read(`${object.kind.toLowerCase()}-${group}.json`), object, []).filter((path) => path.length > 1 || !named.flat().includes(path[0])),
  ];
}

/** A copy of an object without the value at a path. */
export function without(object, path) {
  const copy = structuredClone(object);
  const place = path.slice(0, -1).reduce((inner, name) => inner[name], copy);
  const last = path.at(-1);
  if (Array.isArray(place)) place.splice(last, 1);
  else delete place[last];
  return copy;
}

/** The places that a pattern matches, with their values: `*` is any item or member, `[name=envoy]` the item with that member, `[a.b]` the member a.b. */
export function placesOf(object, pattern) {
  let places = [{ path: [], value: object }];
  for (const step of pattern.match(/\[[^\]]+\]|[^.[\]]+/g)) {
    places = places.flatMap(({ path, value }) => {
      if (value === null || typeof value !== 'object') return [];
      const [, name, wanted] = /^\[(\w+)=(.*)\]$/.exec(step) ?? [];
      const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
      const chosen = name
        ? keys.filter((key) => String(value[key]?.[name]) === wanted)
        : step === '*'
          ? keys
          : keys.filter((key) => String(key) === step || `[${key}]` === step);
      return chosen.map((key) => ({ path: [...path, key], value: value[key] }));
    });
  }
  return places;
}
