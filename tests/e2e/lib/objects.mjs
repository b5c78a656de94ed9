// The Kubernetes objects in deploy/: validates them against the schemas of their APIs, and makes changed copies.
//
// The schemas are compiled validators, which ignore fields that they do not know. So a field counts as known if a wrong value in it is refused.

import assert from 'node:assert/strict';

const PACKAGES = {
  'gateway.envoyproxy.io': 'envoy-gateway',
  'gateway.networking.k8s.io': 'gateway-api',
  'networking.istio.io': 'istio',
  'security.istio.io': 'istio',
  'extensions.istio.io': 'istio',
};

export const nameOf = ({ kind, metadata }) => `${kind} ${metadata?.namespace ? `${metadata.namespace}/` : ''}${metadata?.name}`;

const models = new Map();

/** Loads the validators for the kinds of these objects; `assertValid` and `unknownFields` need them. */
export async function loadSchemas(objects) {
  for (const version of new Set(objects.map(({ apiVersion }) => apiVersion))) {
    const from = PACKAGES[version.split('/')[0]];
    assert.ok(from, `no schema is known for ${version}`);
    models.set(version, await import(`@kubernetes-models/${from}/${version}`));
  }
}

export function assertValid(object) {
  const { apiVersion, kind } = object;
  const Model = models.get(apiVersion)?.[kind];
  assert.ok(Model, `${apiVersion} has no ${kind}`);
  assert.match(object.metadata?.name ?? '', /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, `${kind}: expected a name`);
  new Model(object).validate();
}

/** The fields that the schema does not know, except those below `open` (paths, with `*` for any index), where every field is allowed. */
export function unknownFields(object, open) {
  const isOpen = (path) => open.some((one) => one.split('.').every((step, index) => step === '*' || step === String(path[index])));
  const tolerates = (path, value) => {
    try {
      assertValid(replaced(object, path, value));
      return true;
    } catch {
      return false;
    }
  };
  return pathsOf(object)
    .filter((path) => path.length > 1 && path[0] !== 'metadata' && !isOpen(path) && typeof path.at(-1) === 'string')
    .filter((path) => [{}, 0].every((wrong) => tolerates(path, wrong)))
    .map((path) => path.join('.'));
}

/** The paths of all places in a value, outer ones first, as lists of names and indices. */
export function pathsOf(value, path = []) {
  if (value === null || typeof value !== 'object') return [];
  return Object.keys(value).flatMap((key) => {
    const step = Array.isArray(value) ? Number(key) : key;
    return [[...path, step], ...pathsOf(value[key], [...path, step])];
  });
}

export const at = (value, path) => path.reduce((inside, step) => inside?.[step], value);

/** A copy with another value at a path. */
export function replaced(value, path, other) {
  const copy = structuredClone(value);
  at(copy, path.slice(0, -1))[path.at(-1)] = other;
  return copy;
}

/** A copy without the value at a path. */
export function without(value, path) {
  const copy = structuredClone(value);
  const place = at(copy, path.slice(0, -1));
  if (Array.isArray(place)) place.splice(path.at(-1), 1);
  else delete place[path.at(-1)];
  return copy;
}

/** Copies of all objects, one for each place in them, from which that place was removed: [what is missing, the objects]. */
export function eachWithout(objects, skip = () => false) {
  return objects.flatMap((object, index) =>
    pathsOf(object)
      .filter((path) => !skip(object, path))
      .map((path) => [`${nameOf(object)} without ${path.join('.')}`, objects.with(index, without(object, path))]),
  );
}

/** The values in these objects that `make(objects)` never reads, as KIND and path: they have no effect on the result. */
export function passedOver(objects, make) {
  const seen = new Set();
  const watched = (value, path) =>
    value === null || typeof value !== 'object'
      ? value
      : new Proxy(value, {
          get(target, key) {
            if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return target[key];
            seen.add([...path, key].join('.'));
            return watched(target[key], [...path, key]);
          },
        });
  JSON.stringify(make(watched(objects, []))); // reads values that the result contains as a whole
  const isLeaf = (value) => value === null || typeof value !== 'object' || Object.keys(value).length === 0;
  return pathsOf(objects)
    .filter((path) => isLeaf(at(objects, path)) && !seen.has(path.join('.')))
    .map(([index, ...path]) => `${objects[index].kind} ${path.join('.')}`);
}

/** A copy of all objects in which `change(object)` has changed the object of this kind (and name). */
export function changed(objects, kind, change, name = undefined) {
  const copy = structuredClone(objects);
  const found = copy.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
  assert.equal(found.length, 1, `${found.length} objects of kind ${kind}`);
  change(found[0]);
  return copy;
}
