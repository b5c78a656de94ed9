// What holds for every file under deploy/, whoever takes it: no secret, every image pinned, one version of Envoy and one of ours. And the files that no schema
// knows: kustomizations, and the values for other people's charts.

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

/** Every file below a folder of the repository but what npm brought, and what npm writes about it. */
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

/** What a pattern finds in these files: [where, what stood in its first brackets]. */
const found = (paths, pattern) => paths.flatMap((path) => [...read(path).matchAll(pattern)].map(([, what]) => [path, what]));
const others = (list, wanted) => list.filter(([, what]) => what !== wanted).map(([path, what]) => `${path}: ${what}`);

/** What looks like a secret in a manifest, but for paths of lower-case words, words of a comment, and a name that Postman gives a variable. */
const secretsOf = (text) => secretsIn(text).filter((what) => !/^[a-z\d]+(\/[a-z\d]+)+\/?$|^Secret: see$|^access_token: token$/.test(what));

describe('no manifest', () => {
  it('holds a secret', () => {
    assert.ok(MANIFESTS.length > 40, `${MANIFESTS.length}`);
    assert.deepEqual(
      MANIFESTS.flatMap((path) => secretsOf(read(path)).map((what) => `${path}: ${what}`)),
      [],
    );
  });

  it('would hold one without being found', () => {
    const values = read('deploy/istio/gateway-values.yaml');
    assert.notDeepEqual(secretsOf(`${values}env: {ACCREDIT_KEY: kq3vN0cYqk2cT1h7uWmXo5m1mR0sVbq9hC8tq2y1Z3E=}\n`), []);
    assert.notDeepEqual(secretsOf(`${values}client_secret: hunter2\n`), []);
  });

  it('opens without saying what it is, how to use it and what to change', () => {
    const head = (path) => /^(#.*\n)+/.exec(read(path))?.[0] ?? '';
    const silent = (words) => MANIFESTS.filter((path) => !path.endsWith('.json') && !words.test(head(path)));
    assert.deepEqual(silent(/^# Use it /m), []);
    assert.deepEqual(silent(/^# (Change|Yours|What differs) |Rendered /m), []);
  });
});

describe('one version', () => {
  const envoy = /^VERSION=(.+)$/m.exec(read('deploy/build/envoy.sh'))[1];
  const ours = /^version = "(.+)"$/m.exec(read('Cargo.toml'))[1];

  it('of Envoy stands wherever its image is named', () => {
    const tags = found(WITH_VERSIONS, /envoyproxy\/envoy:(?:distroless-)?v([\w.]+)/g);
    assert.ok(tags.length >= 5, `${tags.length}`);
    assert.deepEqual(others(tags, envoy), []);
    assert.deepEqual(found(WITH_VERSIONS, /(envoyproxy\/envoy)(?![:/\w-])(?=[@\s]*$)/gm), [], 'an image without a tag');
  });

  it('of ours stands wherever our images are named', () => {
    const tags = found(MANIFESTS, /registry\.example\.com\/accredit[\w-]*:([\w.-]+)/g);
    assert.ok(tags.length >= 10, `${tags.length}`);
    assert.deepEqual(others(tags, ours), []);
  });
});

/** A kustomization of files alone: every manifest of its folder, and nothing else. */
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
  ['deploy/istio/kustomization.yaml', (value) => checkKustomization(value, 'deploy/istio', ['kustomization.yaml', 'gateway-values.yaml', 'envoy.yaml'])],
  [
    'deploy/envoy-gateway/kustomization.yaml',
    (value) => checkKustomization(value, 'deploy/envoy-gateway', ['kustomization.yaml', 'controller-values.yaml', 'envoy.yaml']),
  ],
  ['deploy/istio/gateway-values.yaml', checkGatewayValues],
  ['deploy/envoy-gateway/controller-values.yaml', checkControllerValues],
];

for (const [path, check] of UNKNOWN_TO_SCHEMAS) {
  describe(path, () => {
    const value = parse(read(path));

    it('is as it must be', () => check(value));

    it('is refused without any one of its fields, and with one more', () => {
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

// Of what a control plane would take, nothing may be left out of the Envoy file that the tests drive: else a second door would stand in no file.
const NAMES = /^\w+ (apiVersion|metadata\.(name|namespace))$/;
const resourcesOf = (folder) => objectsIn(folder, parse(read(`deploy/${folder}/kustomization.yaml`)).resources);
const [GATEWAY_VALUES] = objectsIn('istio', ['gateway-values.yaml']);

const MODELS = [
  [
    'Istio',
    resourcesOf('istio'),
    (objects) => madeByIstio(objects, GATEWAY_VALUES),
    [
      /^(ServiceEntry|DestinationRule) spec\.exportTo\.0$/, // which namespaces see it
      /^ServiceEntry spec\.ports\.0\.name$/,
      /^Gateway spec\.servers\.0\.tls\.minProtocolVersion$/, // TLS to browsers is left out of the file, which says so
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
      /^EnvoyProxy spec\.provider\.kubernetes\.envoyDeployment\.(replicas|container\.(image|env\.\d+\..*|resources\.requests\..*))$/, // of the Deployment, not of Envoy's file
      /^Gateway spec\.listeners\.0\.tls\.certificateRefs\.0\.name$/, // TLS to browsers, likewise
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
  describe(`the Envoy file that is driven for ${name}`, () => {
    const left = (all) => passedOver(all, make).filter((what) => ![NAMES, ...elsewhere].some((one) => one.test(what)));

    it('leaves nothing of the objects out', () => assert.deepEqual(left(objects), []));

    for (const [what, kind, change, of] of additions) {
      it(`would not pass over ${what}`, () => {
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
