// The manifests under deploy/kubernetes: the real kustomize builds both overlays, every object is validated against the API's schemas, and our own rules are
// checked (lib/kubernetes-promises.mjs).
//
// If anything is removed from an object, the same checks must refuse it. kubernetes-gateway.test.mjs and kubernetes-replicas.test.mjs show what the pods do.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { PROMISES, brokenPromises, textsIn } from './lib/kubernetes-promises.mjs';
import { API_VERSIONS, OVERLAYS, build, labelOf, objectOf, objectsIn, requiredPaths, schemaRefusals, without } from './lib/kubernetes.mjs';
import { ROOT } from './lib/process.mjs';

const FOLDER = join(ROOT, 'deploy/kubernetes');
const built = {};
before(() => OVERLAYS.forEach((overlay) => (built[overlay] = build(overlay))));

/** A copy of the list of objects in which one is replaced. */
const exchanged = (objects, object, other) => objects.map((each) => (each === object ? other : each));

describe('what is built', () => {
  for (const overlay of OVERLAYS) {
    for (const version of API_VERSIONS) {
      it(`is valid for Kubernetes ${version}, strictly: ${overlay}`, () => {
        const refusals = schemaRefusals(built[overlay], version);
        assert.deepEqual(refusals.filter(Boolean), []);
        assert.equal(refusals.length, Object.keys(PROMISES).length);
      });
    }

    it(`follows our own rules: ${overlay}`, () => assert.deepEqual(brokenPromises(built[overlay]), []));
  }

  for (const overlay of OVERLAYS)
    it(`has a network policy for the application that is valid, lets in only the gateway's pods of its environment, and needs every field: ${overlay}`, () => {
      const { metadata, spec } = objectOf(built[overlay], 'Deployment/accredit');
      const [policy, ...more] = objectsIn(
        readFileSync(join(FOLDER, 'application/networkpolicy.yaml'), 'utf8').replace(
          '{kubernetes.io/metadata.name: GATEWAY_NAMESPACE}',
          `{kubernetes.io/metadata.name: ${metadata.namespace}}`,
        ),
      );
      const wanted = {
        podSelector: objectOf(built[overlay], 'NetworkPolicy/accredit').spec.egress[2].to[0].podSelector,
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': metadata.namespace } },
                podSelector: { matchLabels: spec.template.metadata.labels },
              },
            ],
          },
        ],
      };
      const hold = (candidates) =>
        schemaRefusals(candidates).map((refusal, index) => refusal === undefined && isDeepStrictEqual(candidates[index].spec, wanted));
      assert.deepEqual([more, hold([policy])], [[], [true]]);
      assert.deepEqual(hold(fieldsOf(policy).map((path) => without(policy, path))).filter(Boolean), []);
    });

  it('differs between the overlays only in the settings of an environment', () => {
    const texts = (objects) =>
      new Map(
        objects.flatMap((object) =>
          textsIn(
            JSON.parse(JSON.stringify(object), (_, value) => (typeof value === 'number' ? String(value) : value)),
            labelOf(object),
          ),
        ),
      );
    const [staging, production] = OVERLAYS.map((overlay) => texts(built[overlay]));
    const differing = [...new Set([...staging.keys(), ...production.keys()])].filter((path) => staging.get(path) !== production.get(path));
    const everywhere = Object.keys(PROMISES).map((label) => `${label}.metadata.namespace`);
    assert.deepEqual(
      differing.sort(),
      [
        ...everywhere,
        'ConfigMap/environment.metadata.name', // the hash of its content
        'Deployment/accredit.spec.template.spec.containers.0.envFrom.0.configMapRef.name', // the same hash
        'ConfigMap/environment.data.ACCREDIT_ORIGIN',
        'ConfigMap/environment.data.OIDC_ISSUER',
        'Service/application.spec.externalName',
        'HorizontalPodAutoscaler/accredit.spec.minReplicas',
        'HorizontalPodAutoscaler/accredit.spec.maxReplicas',
      ].sort(),
    );
  });

  it('replaces the pods when the configuration changes, because its name ends in its hash', () => {
    const hashes = (overlay) => built[overlay].filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => /-([a-z0-9]{10})$/.exec(metadata.name)?.[1]);
    const [staging, production] = OVERLAYS.map(hashes);
    assert.equal([...staging, ...production].every(Boolean), true);
    assert.equal(new Set([...staging, ...production]).size, 3, 'one file for both, two environments');
  });
});

describe('everything that is removed is noticed', () => {
  for (const overlay of OVERLAYS) {
    it(`by the schemas, where the API demands it: ${overlay}`, () => {
      const cases = built[overlay].flatMap((object) => requiredPaths(object).map((path) => ({ object, path })));
      assert.ok(cases.length > 80, `only ${cases.length} fields are demanded`);
      const refusals = schemaRefusals(cases.map(({ object, path }) => without(object, path)));
      const unnoticed = cases.filter((_, index) => refusals[index] === undefined);
      assert.deepEqual(
        unnoticed.map(({ object, path }) => `${labelOf(object)} ${path.join('.')}`),
        [],
      );
    });

    it(`by our own rules, for every field: ${overlay}`, () => {
      const places = built[overlay].flatMap((object) => fieldsOf(object).map((path) => ({ object, path })));
      assert.ok(places.length > 200, `only ${places.length} fields`);
      const checked = places.map(({ object, path }) => ({ name: `${labelOf(object)} ${path.join('.')}`, copy: without(object, path), object }));
      const silent = checked.filter(({ copy, object }) => brokenPromises(exchanged(built[overlay], object, copy)).length === 0);
      const refusals = schemaRefusals(silent.map(({ copy }) => copy));
      assert.deepEqual(
        silent.filter((_, index) => refusals[index] === undefined).map(({ name }) => name),
        [],
      );
    });
  }

  it('if an object is missing, or one too many', () => {
    for (const object of built.staging) assert.notDeepEqual(brokenPromises(built.staging.filter((other) => other !== object)), [], labelOf(object));
    assert.notDeepEqual(
      brokenPromises([...built.staging, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'accredit-secrets', namespace: 'accredit-staging' } }]),
      [],
    );
  });

  it('fields and kinds that the schemas do not know are refused', () => {
    const unknown = built.staging.map((object) => ({ ...object, sepc: {} }));
    assert.deepEqual(
      schemaRefusals(unknown).filter((refusal) => !refusal),
      [],
    );
    const misspelt = structuredClone(objectOf(built.staging, 'Deployment/accredit'));
    misspelt.spec.template.spec.containers[0].readynessProbe = {};
    assert.match(schemaRefusals([misspelt])[0], /readynessProbe/);
    assert.match(schemaRefusals([{ apiVersion: 'example.com/v1', kind: 'Unheard', metadata: { name: 'of' } }])[0], /schema/);
  });
});

/** The paths of all values of an object; the text of a file in a ConfigMap is one value. */
function fieldsOf(object) {
  const walk = (value, path) =>
    value === null || typeof value !== 'object' ? [] : Object.entries(value).flatMap(([name, inner]) => [[...path, name], ...walk(inner, [...path, name])]);
  return walk(object, []);
}

describe('a mistake is refused', () => {
  const envoyOf = (objects) => objectOf(objects, 'Deployment/accredit').spec.template.spec.containers.find(({ name }) => name === 'envoy');
  const inEnvoyFile = (objects, from, to) => {
    const { data } = objectOf(objects, 'ConfigMap/envoy');
    assert.ok(data['envoy.yaml'].includes(from), from);
    data['envoy.yaml'] = data['envoy.yaml'].replace(from, to);
  };
  const literals = (objects) => objectOf(objects, 'ConfigMap/environment').data;

  for (const [what, change] of [
    ['a secret written into the Deployment', (objects) => envoyOf(objects).env.splice(0, 1, { name: 'OIDC_CLIENT_SECRET', value: 'x' })],
    ['a secret written into the ConfigMap', (objects) => (literals(objects).OIDC_CLIENT_SECRET = 'x')],
    ['a session key under a harmless name', (objects) => (literals(objects).OIDC_CLIENT_ID = Buffer.alloc(32, 7).toString('base64'))],
    ['a private key in a ConfigMap', (objects) => (objectOf(objects, 'ConfigMap/envoy').data['certificate.yaml'] += '\n# -----BEGIN PRIVATE KEY-----')],
    ["a client secret written into Envoy's file", (objects) => inEnvoyFile(objects, '{environment_variable: OIDC_CLIENT_SECRET}', 'written-down')],
    ["a session key written into Envoy's file", (objects) => inEnvoyFile(objects, '{environment_variable: ACCREDIT_OTHER_KEY}', 'c2VjcmV0')],
    ['the wrong key of a Secret', (objects) => (envoyOf(objects).env[1].valueFrom.secretKeyRef.key = 'other-session-key')],
    ['an image without a tag', (objects) => (envoyOf(objects).image = 'envoyproxy/envoy')],
    ['an image by a moving tag', (objects) => (envoyOf(objects).image = 'envoyproxy/envoy:distroless-v1.40-latest')],
    [
      'a module of another version',
      (objects) => (objectOf(objects, 'Deployment/accredit').spec.template.spec.initContainers[0].image = 'registry.example.com/accredit-installer:0.0.9'),
    ],
    ['a number of replicas beside the autoscaler', (objects) => (objectOf(objects, 'Deployment/accredit').spec.replicas = 2)],
    ['an autoscaler for another Deployment', (objects) => (objectOf(objects, 'HorizontalPodAutoscaler/accredit').spec.scaleTargetRef.name = 'other')],
    ['a single replica', (objects) => (objectOf(objects, 'HorizontalPodAutoscaler/accredit').spec.minReplicas = 1)],
    ['a Service that selects others', (objects) => (objectOf(objects, 'Service/accredit').spec.selector = { 'app.kubernetes.io/name': 'other' })],
    [
      'a budget that selects others',
      (objects) => (objectOf(objects, 'PodDisruptionBudget/accredit').spec.selector.matchLabels = { 'app.kubernetes.io/name': 'other' }),
    ],
    [
      'a network policy for others',
      (objects) => (objectOf(objects, 'NetworkPolicy/accredit').spec.podSelector.matchLabels = { 'app.kubernetes.io/name': 'other' }),
    ],
    ['a network policy that lets everybody ask the probes', (objects) => delete objectOf(objects, 'NetworkPolicy/accredit').spec.ingress[1].from],
    ['a container without a port that Envoy listens on', (objects) => envoyOf(objects).ports.splice(1, 1)],
    ['Envoy on another port', (objects) => inEnvoyFile(objects, 'port_value: 8443', 'port_value: 10000')],
    [
      'the listeners changed over',
      (objects) => (
        inEnvoyFile(objects, 'port_value: 8443', 'port_value: 1'),
        inEnvoyFile(objects, 'port_value: 8080', 'port_value: 8443'),
        inEnvoyFile(objects, 'port_value: 1}', 'port_value: 8080}')
      ),
    ],
    [
      'the admin interface for everybody',
      (objects) =>
        inEnvoyFile(
          objects,
          'address: {socket_address: {address: 127.0.0.1, port_value: 9901}}',
          'address: {socket_address: {address: 0.0.0.0, port_value: 9901}}',
        ),
    ],
    [
      'a second path of the admin interface among the probes',
      (objects) => inEnvoyFile(objects, 'match: {path: /stats/prometheus,', 'match: {path: /config_dump,'),
    ],
    ['a variable that the filter may not read', (objects) => inEnvoyFile(objects, 'host_env_keys: [ACCREDIT_ORIGIN, ', 'host_env_keys: [')],
    ['a variable that the container lacks', (objects) => delete literals(objects).OIDC_ISSUER],
    ['a module that is put elsewhere', (objects) => inEnvoyFile(objects, 'filename: /etc/accredit/module/accredit.wasm', 'filename: /module/accredit.wasm')],
    ['a ConfigMap that the Deployment does not name', (objects) => (objectOf(objects, 'ConfigMap/envoy').metadata.name = 'envoy-0123456789')],
    ['a shorter grace than the drain', (objects) => (objectOf(objects, 'Deployment/accredit').spec.template.spec.terminationGracePeriodSeconds = 30)],
    ['an application under another name', (objects) => (objectOf(objects, 'Service/application').metadata.name = 'app')],
    ['what runs as root', (objects) => (objectOf(objects, 'Deployment/accredit').spec.template.spec.securityContext.runAsUser = 0)],
    [
      'a container that can write its files',
      (objects) => (objectOf(objects, 'Deployment/accredit').spec.template.spec.containers[1].securityContext.readOnlyRootFilesystem = false),
    ],
  ]) {
    it(what, () => {
      const objects = structuredClone(built.production);
      change(objects);
      assert.notDeepEqual(brokenPromises(objects), []);
    });
  }

  it('an overlay without issuer, origin or application, because the base has none', () => {
    for (const [label, path, value] of [
      ['ConfigMap/environment', 'data.OIDC_ISSUER', 'https://set-by-the-overlay.invalid'],
      ['ConfigMap/environment', 'data.ACCREDIT_ORIGIN', 'https://set-by-the-overlay.invalid'],
      ['Service/application', 'spec.externalName', 'set-by-the-overlay.invalid'],
    ]) {
      const objects = structuredClone(built.staging);
      const [place, name] = path.split('.');
      objectOf(objects, label)[place][name] = value;
      assert.deepEqual(brokenPromises(objects), [`${label} ${path}`]);
    }
  });
});

describe('the files', () => {
  const files = readdirSync(FOLDER, { recursive: true }).filter((name) => name.endsWith('.yaml'));

  it('each begin with a sentence that says what they are', () => {
    assert.ok(files.length >= 12, String(files));
    for (const name of files) assert.match(readFileSync(join(FOLDER, name), 'utf8'), /^# [A-Z].{20,}/, name);
  });

  it('of an overlay have only a few lines', () => {
    for (const overlay of OVERLAYS) {
      const lines = readFileSync(join(FOLDER, 'overlays', overlay, 'kustomization.yaml'), 'utf8')
        .split('\n')
        .filter((line) => line.trim() && !line.startsWith('#'));
      assert.ok(lines.length <= 20, `${overlay} has ${lines.length} lines`);
    }
  });
});
