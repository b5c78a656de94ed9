// Rules for every file under deploy/: no secrets, pinned images, one version of Envoy and one of Accredit. It also checks the files that have no schema:
// kustomizations, and the values for other people's charts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { madeByEnvoyGateway } from '../../deploy/build/render/made/envoy-gateway.mjs';
import { madeByIstio } from '../../deploy/build/render/made/istio.mjs';
import { SECRETS, objectsIn } from '../../deploy/build/render/made/parts.mjs';
import { kubectl, objectsIn as objectsOf } from './lib/kubernetes.mjs';
import { changed, nameOf, passedOver, pathsOf, without } from './lib/objects.mjs';
import { ROOT } from './lib/process.mjs';
import { secretsIn } from './lib/secrets.mjs';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** All files below a folder of the repository, except npm packages and package-lock.json. */
function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return entry.name === 'package-lock.json' ? [] : [path];
  });
}

const ALL = filesBelow('deploy');
const MANIFESTS = ALL.filter((path) => /\.(ya?ml|json|Dockerfile)$/.test(path));
const WITH_VERSIONS = [...ALL, 'README.md', ...filesBelow('docs')];

/** The matches of a pattern in these files: [path, first group]. */
const found = (paths, pattern) => paths.flatMap((path) => [...read(path).matchAll(pattern)].map(([, what]) => [path, what]));
const others = (list, wanted) => list.filter(([, what]) => what !== wanted).map(([path, what]) => `${path}: ${what}`);

/** What looks like a secret in a manifest, except paths of lower-case words, words of a comment, and the name of a variable in the Postman collection. */
const secretsOf = (text) => secretsIn(text).filter((what) => !/^\/?[a-z\d]+(\/[a-z\d]+)+\/?$|^Secret: see$|^access_token: token$/.test(what));

describe('no manifest', () => {
  it('contains a secret', () => {
    assert.ok(MANIFESTS.length > 40, `${MANIFESTS.length}`);
    assert.deepEqual(
      MANIFESTS.flatMap((path) => secretsOf(read(path)).map((what) => `${path}: ${what}`)),
      [],
    );
  });

  it('could contain a secret that is not found', () => {
    const values = read('deploy/istio/gateway-values.yaml');
    assert.notDeepEqual(secretsOf(`${values}env: {ACCREDIT_KEY: kq3vN0cYqk2cT1h7uWmXo5m1mR0sVbq9hC8tq2y1Z3E=}\n`), []);
    assert.notDeepEqual(secretsOf(`${values}client_secret: hunter2\n`), []);
  });

  it('begins without saying what it is, how to use it and what to change', () => {
    const head = (path) => /^(#.*\n)+/.exec(read(path))?.[0] ?? '';
    const silent = (words) => MANIFESTS.filter((path) => !path.endsWith('.json') && !words.test(head(path)));
    assert.deepEqual(silent(/^# Use it /m), []);
    assert.deepEqual(silent(/^# (Change|Yours|What differs) |Rendered /m), []);
  });
});

describe('one version', () => {
  const envoy = /^VERSION=(.+)$/m.exec(read('deploy/build/envoy.sh'))[1];
  const ours = /^version = "(.+)"$/m.exec(read('Cargo.toml'))[1];

  it('of Envoy is used wherever its image is named', () => {
    const tags = found(WITH_VERSIONS, /envoyproxy\/envoy:(?:distroless-)?v([\w.]+)/g);
    assert.ok(tags.length >= 5, `${tags.length}`);
    assert.deepEqual(others(tags, envoy), []);
    assert.deepEqual(found(WITH_VERSIONS, /(envoyproxy\/envoy)(?![:/\w-])(?=[@\s]*$)/gm), [], 'an image without a tag');
  });

  it('of Accredit is used wherever its images are named', () => {
    const tags = found(MANIFESTS, /registry\.example\.com\/accredit[\w-]*:([\w.-]+)/g);
    assert.ok(tags.length >= 10, `${tags.length}`);
    assert.deepEqual(others(tags, ours), []);
  });
});

/** Checks a kustomization that lists only files: all manifests of its folder, and nothing else. */
function checkKustomization(value, folder, notOurs) {
  assert.deepEqual(Object.keys(value).sort(), ['apiVersion', 'kind', 'resources']);
  assert.deepEqual([value.apiVersion, value.kind], ['kustomize.config.k8s.io/v1beta1', 'Kustomization']);
  const files = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.yaml') && !notOurs.includes(name));
  assert.deepEqual(value.resources.toSorted(), files.sort());
}

function checkGatewayValues(value) {
  const {
    autoscaling: { enabled, minReplicas, maxReplicas, ...more },
    ...rest
  } = value;
  const secret = (name) => ({ name, valueFrom: { secretKeyRef: { name: 'accredit', key: name } } });
  assert.deepEqual(rest, { name: 'istio-ingress', labels: { istio: 'ingress' }, envVarFrom: SECRETS.map(secret) });
  assert.deepEqual([enabled, minReplicas >= 2, maxReplicas > minReplicas, more], [true, true, true, {}]);
}

function checkControllerValues(value) {
  const gateway = { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' };
  assert.deepEqual(value, { config: { envoyGateway: { gateway, provider: { type: 'Kubernetes' }, extensionApis: { enableEnvoyPatchPolicy: true } } } });
}

const UNKNOWN_TO_SCHEMAS = [
  [
    'deploy/istio/kustomization.yaml',
    (value) => checkKustomization(value, 'deploy/istio', ['kustomization.yaml', 'gateway-values.yaml', 'envoy.yaml', 'redis.yaml']),
  ],
  [
    'deploy/envoy-gateway/kustomization.yaml',
    (value) => checkKustomization(value, 'deploy/envoy-gateway', ['kustomization.yaml', 'controller-values.yaml', 'envoy.yaml', 'redis.yaml']),
  ],
  ['deploy/istio/gateway-values.yaml', checkGatewayValues],
  ['deploy/envoy-gateway/controller-values.yaml', checkControllerValues],
];

for (const [path, check] of UNKNOWN_TO_SCHEMAS) {
  describe(path, () => {
    const value = parse(read(path));

    it('is correct', () => check(value));

    it('is refused if any one field is missing, or with an unknown field', () => {
      const paths = pathsOf(value);
      assert.ok(paths.length >= 3);
      for (const missing of paths)
        assert.throws(
          () => check(without(value, missing)),
          (error) => Boolean(error.message),
          `without ${missing.join('.')}`,
        );
      assert.throws(() => check({ ...value, namespce: 'x' }));
    });
  });
}

describe('the real kustomize', () => {
  for (const folder of ['istio', 'envoy-gateway']) {
    it(`builds exactly the objects in the files of deploy/${folder}`, () => {
      const run = spawnSync(kubectl(), ['kustomize', `deploy/${folder}`], { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
      assert.equal(run.status, 0, run.stderr);
      const { resources } = parse(read(`deploy/${folder}/kustomization.yaml`));
      const byName = (objects) => objects.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
      assert.deepEqual(byName(objectsOf(run.stdout)), byName(objectsIn(folder, resources)));
    });
  }
});

// Everything that a control plane reads from the objects must be in the Envoy file that the tests use; otherwise they could miss, for example, a second
// listener.
const NAMES = /^\w+ (apiVersion|metadata\.(name|namespace))$/;
const resourcesOf = (folder) => objectsIn(folder, parse(read(`deploy/${folder}/kustomization.yaml`)).resources);
const [GATEWAY_VALUES] = objectsIn('istio', ['gateway-values.yaml']);

const MODELS = [
  [
    'Istio',
    resourcesOf('istio'),
    (objects) => madeByIstio(objects, GATEWAY_VALUES),
    [
      /^(ServiceEntry|DestinationRule) spec\.exportTo\.0$/, // which namespaces see the object
      /^ServiceEntry spec\.ports\.0\.name$/,
      /^Gateway spec\.servers\.0\.tls\.minProtocolVersion$/, // the file has no TLS to browsers, and says so
    ],
    [
      ['a second door without TLS', 'Gateway', ({ spec }) => spec.servers.push({ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] })],
      ['a second place to send requests to', 'VirtualService', ({ spec }) => spec.http[0].route.push({ destination: { host: 'other' } })],
      ['a port without TLS in the mesh', 'PeerAuthentication', ({ spec }) => (spec.portLevelMtls = { 9100: { mode: 'DISABLE' } })],
    ],
  ],
  [
    'Envoy Gateway',
    resourcesOf('envoy-gateway'),
    madeByEnvoyGateway,
    [
      /^EnvoyProxy spec\.provider\.kubernetes\.envoyDeployment\.(replicas|container\.(image|env\.\d+\..*|resources\.requests\..*))$/, // settings of the Deployment, which are not in Envoy's file
      /^Gateway spec\.listeners\.0\.tls\.certificateRefs\.0\.name$/, // the file has no TLS to browsers
      /^EnvoyExtensionPolicy spec\.wasm\.0\.code\.pullPolicy$/,
      /^EnvoyPatchPolicy spec\.type$/,
    ],
    [
      ['a second door without TLS', 'Gateway', ({ spec }) => spec.listeners.push({ name: 'http', port: 80, protocol: 'HTTP' })],
      ['a second Gateway for the routes', 'HTTPRoute', ({ spec }) => spec.parentRefs.push({ name: 'other' }), 'application'],
      [
        'a header that the route sets',
        'HTTPRoute',
        ({ spec }) =>
          (spec.rules.at(-1).filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-forwarded-user', value: 'root' }] } }]),
        'application',
      ],
    ],
  ],
];

for (const [name, objects, make, elsewhere, additions] of MODELS) {
  describe(`the Envoy file that the tests use for ${name}`, () => {
    const left = (all) => passedOver(all, make).filter((what) => ![NAMES, ...elsewhere].some((one) => one.test(what)));

    it('uses every value of the objects', () => assert.deepEqual(left(objects), []));

    for (const [what, kind, change, of] of additions) {
      it(`does not ignore ${what}`, () => {
        const more = changed(objects, kind, change, of);
        assert.ok(refuses(() => make(more)) || left(more).length > 0 || !sameFile(make(more), make(objects)));
      });
    }
  });
}

const sameFile = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function refuses(what) {
  try {
    what();
    return false;
  } catch {
    return true;
  }
}
