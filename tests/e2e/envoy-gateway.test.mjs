// deploy/envoy-gateway: the objects are valid, and agree with each other and with envoy/spa-tokens.yaml; people sign in through what Envoy Gateway makes of
// them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parse } from 'yaml';
import { BY_HAND, render } from '../../deploy/build/render/envoy-gateway.mjs';
import { madeByEnvoyGateway } from '../../deploy/build/render/made/envoy-gateway.mjs';
import { MODULE, Parts, objectsIn } from '../../deploy/build/render/made/parts.mjs';
import { shipped } from '../../deploy/build/render/source.mjs';
import { Visitor } from './lib/client.mjs';
import { startSpaProvider } from './lib/demo.mjs';
import { dyingWasmPath } from './lib/dying.mjs';
import { assertFilesAreNamed, assertReadmeIsCareful } from './lib/folder.mjs';
import { managerOf } from './lib/gateway.mjs';
import { assertNoNames, editConfiguration, onThisMachine, secretsOf, startMade, validateMade, wasmFilterOf } from './lib/mesh.mjs';
import { assertValid, changed, eachWithout, loadSchemas, nameOf, unknownFields } from './lib/objects.mjs';
import { ROOT, closeServer, eventually, freePort, listen } from './lib/process.mjs';
import { FrontEnd } from './lib/spa.mjs';
import { assertNoPanic, assertNotTold, assertProblem } from './lib/stage.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const FOLDER = `${ROOT}deploy/envoy-gateway/`;
const OBJECTS = objectsIn('envoy-gateway', [...BY_HAND, 'extensionpolicy.yaml', 'patchpolicy.yaml']);
const MADE = parse(readFileSync(`${FOLDER}envoy.yaml`, 'utf8'));
const only = (objects, kind) => objects.find((object) => object.kind === kind);
const containerOf = (objects) => only(objects, 'EnvoyProxy').spec.provider.kubernetes.envoyDeployment.container;

/** Checks everything that must be true of the objects; throws at the first mistake. */
function check(objects) {
  for (const object of objects) {
    assertValid(object);
    assert.equal(object.metadata.namespace, object.kind === 'GatewayClass' ? undefined : 'application');
  }
  const [wasm] = only(objects, 'EnvoyExtensionPolicy').spec.wasm;

  // The configuration and the module are the shipped ones, and nothing fails open.
  assert.deepEqual(wasm.config, new Parts(shipped, 'provider').configuration.toJSON());
  assert.deepEqual(wasm.code, { type: 'Image', image: { url: MODULE }, pullPolicy: 'IfNotPresent' });
  assert.equal(wasm.failOpen, false);

  // Each variable that the configuration names is passed on, and has a value; secrets are references.
  const named = [...JSON.stringify(wasm.config).matchAll(/"environment_variable":"(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(named)].sort(), [...wasm.env.hostKeys].sort());
  const { env, image, resources } = containerOf(objects);
  assert.deepEqual(
    env.map(({ name }) => name),
    wasm.env.hostKeys,
  );
  for (const { name, value, valueFrom } of env) {
    if (/SECRET|KEY/.test(name)) assert.deepEqual([value, valueFrom], [undefined, { secretKeyRef: { name: 'accredit', key: name } }]);
    else assert.match(value, /./, name);
  }
  assert.match(image, /^envoyproxy\/envoy:distroless-v1\.40\.0$/);
  assert.deepEqual([resources.requests, resources.limits], [{ cpu: '250m', memory: '256Mi' }, { memory: '1Gi' }]);
  assert.ok(only(objects, 'EnvoyProxy').spec.provider.kubernetes.envoyDeployment.replicas > 1);

  const [log] = new Parts(shipped, 'provider').manager('access_log').access_log;
  assert.deepEqual(only(objects, 'EnvoyProxy').spec.telemetry.accessLog.settings[0].format.json, log.typed_config.log_format.json_format);

  // Names that must agree.
  const valueNamed = (name) => env.find((variable) => variable.name === name).value;
  for (const { spec } of objects.filter(({ kind }) => kind === 'HTTPRoute')) assert.deepEqual(spec.hostnames, [new URL(valueNamed('ACCREDIT_ORIGIN')).host]);
  assert.deepEqual(only(objects, 'SecurityPolicy').spec.cors.allowOrigins, [valueNamed('FRONT_ORIGIN')]);
  assert.equal(new URL(valueNamed('FRONT_CALLBACK')).origin, valueNamed('FRONT_ORIGIN'));
  assert.match(valueNamed('OIDC_ISSUER'), /^https:/);
  assert.equal(only(objects, 'ClientTrafficPolicy').spec.path.disableMergeSlashes, false);
  assert.equal(only(objects, 'EnvoyPatchPolicy').spec.type, 'JSONPatch');
  const { removeOnMatch } = only(objects, 'ClientTrafficPolicy').spec.headers.earlyRequestHeaders;
  assert.deepEqual(
    removeOnMatch,
    new Parts(shipped, 'provider').identityHeaders.map((value) => ({ type: 'RegularExpression', value })),
  );

  // The result is the Envoy file that the tests below use.
  const made = madeByEnvoyGateway(objects);
  const filters = managerOf(made.static_resources.listeners[0]).http_filters;
  assert.deepEqual(
    filters.map(({ name }) => name.split('/')[0].split('.').at(-1)),
    ['cors', 'wasm', 'buffer', 'router'],
  );
  assert.deepEqual(filters[2], new Parts(shipped, 'provider').filter('envoy.filters.http.buffer'));
  assert.deepEqual(made, MADE);
}

describe('the objects for Envoy Gateway', () => {
  before(() => loadSchemas(OBJECTS));

  it('are valid, agree with each other, and become the Envoy file beside them', () => check(OBJECTS));

  it('are what is rendered now', () => {
    for (const { path, text } of render(shipped)) assert.equal(readFileSync(ROOT + path, 'utf8'), text, `${path} is left behind: make manifests`);
  });

  it('have only fields that the schema knows', () => {
    const open = ['spec.wasm.*.config', 'spec.jsonPatches.*.operation.value'];
    for (const object of OBJECTS) assert.deepEqual(unknownFields(object, open), [], nameOf(object));
    const mistaken = changed(OBJECTS, 'EnvoyExtensionPolicy', ({ spec }) => (spec.wasm[0].failopen = false));
    assert.deepEqual(unknownFields(only(mistaken, 'EnvoyExtensionPolicy'), open), ['spec.wasm.0.failopen']);
  });

  it('are all in the kustomization, and every file says how to use it and what to change', () => {
    assertFilesAreNamed(FOLDER, ['controller-values.yaml', 'envoy.yaml', 'redis.yaml']);
  });

  it('have a README that passes no secret as an argument, removes the routes before the filter, and says what was not tested', () => {
    const removal = [
      'kubectl delete -f deploy/envoy-gateway/application.yaml',
      'kubectl -n application delete gateway accredit',
      'curl -i https://api.example.com/api/chat',
      'kubectl delete -k deploy/envoy-gateway --ignore-not-found',
    ];
    assertReadmeIsCareful(FOLDER, removal, /## What is not proved\n\nNo Envoy Gateway has run/);
  });

  it('contain no secret, and patches are enabled in Envoy Gateway', () => {
    assert.deepEqual(
      OBJECTS.filter(({ kind }) => kind === 'Secret'),
      [],
    );
    const { config } = parse(readFileSync(`${FOLDER}controller-values.yaml`, 'utf8'));
    assert.equal(config.envoyGateway.extensionApis.enableEnvoyPatchPolicy, true);
    assert.equal(config.envoyGateway.gateway.controllerName, only(OBJECTS, 'GatewayClass').spec.controllerName);
  });

  it('are refused if any one field is missing', () => {
    const accepted = eachWithout(OBJECTS).filter(([, objects]) => {
      try {
        check(objects);
        return true;
      } catch {
        return false;
      }
    });
    assert.deepEqual(
      accepted.map(([what]) => what),
      [],
    );
  });

  for (const [what, kind, change] of [
    ['a plugin that fails open', 'EnvoyExtensionPolicy', ({ spec }) => (spec.wasm[0].failOpen = true)],
    ['a plugin for one route only', 'EnvoyExtensionPolicy', ({ spec }) => Object.assign(spec.targetRefs[0], { kind: 'HTTPRoute', name: 'application' })],
    ['an image without a tag', 'EnvoyExtensionPolicy', ({ spec }) => (spec.wasm[0].code.image.url = 'registry.example.com/accredit')],
    [
      'another configuration than the shipped one',
      'EnvoyExtensionPolicy',
      ({ spec }) => spec.wasm[0].config.rules.unshift({ match: { path_separated_prefix: '/' }, require: 'public' }),
    ],
    ['a variable that the module may not read', 'EnvoyExtensionPolicy', ({ spec }) => spec.wasm[0].env.hostKeys.pop()],
    [
      'a secret in the manifest',
      'EnvoyProxy',
      ({ spec }) => Object.assign(spec.provider.kubernetes.envoyDeployment.container.env.at(-1), { value: 'secret', valueFrom: undefined }),
    ],
    [
      'a provider whose name is not verified',
      'EnvoyPatchPolicy',
      ({ spec }) => (spec.jsonPatches.at(-1).operation.value.typed_extension_protocol_options = undefined),
    ],
    ['a failure policy that opens', 'EnvoyPatchPolicy', ({ spec }) => (spec.jsonPatches[0].operation.value = 'FAIL_OPEN')],
    ['a patch of a listener that is not there', 'EnvoyPatchPolicy', ({ spec }) => (spec.jsonPatches[0].name = 'tcp-443')],
    ['escaped slashes that are let through', 'ClientTrafficPolicy', ({ spec }) => (spec.path.escapedSlashesAction = 'KeepUnchanged')],
    ['CORS for everybody', 'SecurityPolicy', ({ spec }) => (spec.cors.allowOrigins = ['*'])],
    ['a buffer that Envoy Gateway leaves before Accredit', 'EnvoyProxy', ({ spec }) => (spec.filterOrder = [])],
    [
      'a buffer that stands before Accredit',
      'EnvoyProxy',
      ({ spec }) => (spec.filterOrder = [{ name: 'envoy.filters.http.buffer', before: 'envoy.filters.http.wasm' }]),
    ],
    ['a buffer on the routes of the application', 'BackendTrafficPolicy', ({ spec }) => (spec.targetRefs[0].name = 'application')],
    ['a smaller buffer than bodies may be large', 'BackendTrafficPolicy', ({ spec }) => (spec.requestBuffer.limit = '32Ki')],
    ['memory without a limit', 'EnvoyProxy', ({ spec }) => delete spec.provider.kubernetes.envoyDeployment.container.resources.limits],
    ['routes from any namespace', 'Gateway', ({ spec }) => (spec.listeners[0].allowedRoutes.namespaces.from = 'All')],
  ]) {
    it(`are refused with ${what}`, () =>
      assert.throws(
        () => check(changed(OBJECTS, kind, change)),
        (error) => Boolean(error.message),
      ));
  }
});

describe('what Envoy Gateway makes of them', () => {
  const front = 'https://front.example.org';
  const running = [];
  let provider, application, gateway, page;

  before(async () => {
    provider = await startSpaProvider(front);
    application = await Application.start();
    gateway = await start();
    page = new FrontEnd(gateway, front);
  });
  beforeEach(() => application.forget());
  after(async () => {
    for (const part of [...running, provider, application]) await part?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  /** Makes the changes of an overlay for this machine, lets Envoy Gateway's model make the bootstrap, and then calls `change(bootstrap)`. */
  async function start({ objects = OBJECTS, change = () => {}, failed, issuer = provider.issuer, tls, wasm } = {}) {
    const port = await freePort();
    const copy = structuredClone(objects);
    only(copy, 'Gateway').spec.listeners[0].hostname = 'localhost';
    for (const { spec } of copy.filter(({ kind }) => kind === 'HTTPRoute')) spec.hostnames = ['localhost'];
    only(copy, 'SecurityPolicy').spec.cors.allowOrigins = [front];
    const made = madeByEnvoyGateway(copy, failed);
    const toApplication = made.static_resources.clusters.filter(({ name }) => name.startsWith('httproute/')).map(({ name }) => [name, application.port]);
    const bootstrap = onThisMachine(made, { port, clusters: Object.fromEntries(toApplication), tls, wasm });
    change(bootstrap);
    const environment = {
      ACCREDIT_ORIGIN: `http://localhost:${port}`,
      FRONT_ORIGIN: front,
      FRONT_CALLBACK: `${front}/auth/callback`,
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: 'accredit-demo',
      ...secretsOf(provider),
    };
    const started = await startMade(bootstrap, { port, environment });
    running.push(started);
    return Object.assign(started, { secrets: secretsIn(environment) });
  }

  const secretsIn = ({ OIDC_CLIENT_SECRET, ACCREDIT_KEY, ACCREDIT_OTHER_KEY }) => [OIDC_CLIENT_SECRET, ACCREDIT_KEY, ACCREDIT_OTHER_KEY];
  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

  it('is accepted by Envoy, with the module and its configuration', async () => {
    const environment = { ...Object.fromEntries(containerOf(OBJECTS).env.map(({ name, value }) => [name, value ?? ''])), ...secretsOf() };
    const { code, log } = await validateMade(MADE, { environment });
    assert.equal(code, 0, log);
    const broken = structuredClone(MADE);
    editConfiguration(broken, ({ rules }) => (rules[1].require = 'everybody'));
    const refused = await validateMade(broken, { environment });
    assert.equal(refused.code, 1);
    assert.match(refused.log, /accredit: configuration refused: rules\[1\]\.require/);
    const unknown = await validateMade(MADE, { environment: { ...environment, OIDC_ISSUER: undefined } });
    assert.equal(unknown.code, 1);
    assert.match(unknown.log, /accredit: configuration refused: providers\[0\]\.issuer/);
    assert.equal((await validateMade(MADE, { environment, wasm: `${ROOT}README.md` })).code, 1, 'a module that is none');
  });

  it('never forwards a body before a decision: allow_on_headers_stop_iteration is not set', () => {
    assert.equal(/allow_on_headers_stop_iteration/i.test(JSON.stringify(MADE)), false);
  });

  it('signs people in; the application gets their identity and no token', async () => {
    const token = await page.tokenOf('alice');
    assert.equal((await page.call(new Visitor(gateway), '/api/analytics', bearer(token))).status, 200);
    const arrived = await application.only('/api/analytics');
    assert.deepEqual(
      ['user', 'groups', 'preferred-username'].map((name) => headerValues(arrived, `x-forwarded-${name}`)),
      [['alice'], ['oracle-ai-users,staff'], ['alice']],
    );
    assert.deepEqual(headerValues(arrived, 'authorization'), []);
    const line = await eventually('it is logged', () => gateway.accessLog().find(({ path, status }) => path === '/api/analytics' && status === 200));
    assert.deepEqual([line.subject, line.rule], ['alice', 'rules[1]'], JSON.stringify(line));
    assertNotTold(gateway, [...gateway.secrets, token]);
  });

  it('reads a body and answers as in the README: the reason in the answer shows that Accredit has its buffer', async () => {
    const headers = { origin: front, 'content-type': 'application/json' };
    const answer = await new Visitor(gateway).send('/api/token', { method: 'POST', headers, body: '{"code":"x"}' });
    assert.deepEqual([answer.status, answer.reason], [400, 'attempt_missing']);
  });

  it('refuses requests without token and by its rules, and removes identity headers of clients', async () => {
    const forged = { 'x-forwarded-user': 'root', 'x-forwarded-groups': 'oracle-ai-admins' };
    assertProblem(await page.call(new Visitor(gateway), '/api/chat', { headers: forged }), 401, 'token_missing');
    const token = await page.tokenOf('bob');
    assertProblem(await page.call(new Visitor(gateway), '/api/chat', { headers: { ...forged, authorization: `Bearer ${token}` } }), 403, 'condition_failed');
    assert.deepEqual(application.requests, []);
    assert.equal((await page.call(new Visitor(gateway), '/api/analytics', { headers: { ...forged, authorization: `Bearer ${token}` } })).status, 200);
    const arrived = await application.only('/api/analytics');
    assert.deepEqual(
      ['user', 'groups'].map((name) => headerValues(arrived, `x-forwarded-${name}`)),
      [['bob'], ['staff']],
    );
  });

  it('answers preflights only of the front end, which can read refusals', async () => {
    for (const [path, method] of [
      ['/api/token', 'POST'],
      ['/api/chat', 'GET'],
    ]) {
      const { status, headers } = await page.preflight(path, method);
      assert.deepEqual([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [200, front, 'true'], path);
      assert.equal((await page.preflight(path, method, 'https://evil.example')).headers['access-control-allow-origin'], undefined);
    }
    assert.equal((await page.call(new Visitor(gateway), '/api/chat')).headers['access-control-allow-origin'], front);
    assert.deepEqual(application.requests, []);
  });

  it('refuses paths with escaped slashes, and headers that look like others', async () => {
    assert.equal((await new Visitor(gateway).call('/api%2fchat')).status, 400);
    assert.equal((await new Visitor(gateway).call('/api/chat', { headers: { x_forwarded_user: 'root' } })).status, 400);
  });

  const patches = (keep) =>
    changed(OBJECTS, 'EnvoyPatchPolicy', ({ spec }) => (spec.jsonPatches = spec.jsonPatches.filter((patch) => keep(patch.operation.path))));

  for (const [what, objects] of [
    ['the buffer', OBJECTS.filter(({ kind }) => kind !== 'BackendTrafficPolicy')],
    ['the order that puts the buffer behind Accredit', changed(OBJECTS, 'EnvoyProxy', ({ spec }) => delete spec.filterOrder)],
    [
      'the route that leads to nobody',
      changed(OBJECTS, 'HTTPRoute', ({ spec }) => Object.assign(spec.rules[0], { filters: [], backendRefs: [{ name: 'application', port: 80 }] }), 'accredit'),
    ],
  ]) {
    it(`reads no body without ${what}, and no upstream gets the request`, async () => {
      const incomplete = await start({ objects });
      const there = new FrontEnd(incomplete, front);
      const { visitor, code } = await there.authorized('alice');
      assert.ok([404, 500].includes((await there.exchange(visitor, { code })).status));
      assert.deepEqual(application.requests, []);
    });
  }

  /** An extension policy for a single route, which then does not have the Gateway's. */
  const ownPolicy = (name) => ({
    ...structuredClone(only(OBJECTS, 'EnvoyExtensionPolicy')),
    metadata: { name: `own-${name}`, namespace: 'application' },
    spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }], wasm: [] },
  });

  it('has Accredit on every route, even if every route of the application has its own extension policy', async () => {
    const kept = await start({ objects: [...OBJECTS, ownPolicy('application')] });
    assertProblem(await new Visitor(kept).call('/api/analytics', { headers: { 'x-forwarded-user': 'root' } }), 401, 'token_missing');
    const lost = await start({ objects: [...patches((path) => path !== 'disabled'), ownPolicy('application')] });
    assert.equal((await new Visitor(lost).call('/api/analytics')).status, 200, 'which is what the patch is for');
  });

  for (const [what, objects] of [
    ['has no extension policy', OBJECTS.filter(({ kind }) => kind !== 'EnvoyExtensionPolicy')],
    ['has one for every route, also for the one that leads to nobody', [...OBJECTS, ownPolicy('application'), ownPolicy('accredit')]],
    ['has one for its only route', [...OBJECTS.filter(({ kind, metadata }) => kind !== 'HTTPRoute' || metadata.name !== 'accredit'), ownPolicy('application')]],
  ]) {
    it(`removes identity headers of clients even if the Gateway ${what}, so that Accredit is missing`, async () => {
      const failed = [];
      const bare = await start({ objects, failed: (error) => failed.push(error) });
      assert.ok(failed.length >= 2, 'the status tells of patches that found no filter');
      await assertNameless(bare);
    });
  }

  it('removes them by the ClientTrafficPolicy: without it, the application would get them', async () => {
    const objects = OBJECTS.filter(({ kind }) => kind !== 'EnvoyExtensionPolicy');
    const change = (bootstrap) => delete managerOf(bootstrap.static_resources.listeners[0]).early_header_mutation_extensions;
    await assert.rejects(async () => assertNameless(await start({ objects, change, failed: () => {} })), /x-forwarded-user/);
  });

  const assertNameless = (running) => assertNoNames(running, application, new Parts(shipped, 'provider').identityHeaders);

  it('refuses every request when the module cannot be downloaded', async () => {
    const unfetched = await start({
      objects: patches((path) => path !== 'disabled'),
      change: (bootstrap) => {
        const closed = {
          name: 'wasm_cluster',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'wasm_cluster',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 1 } } } }] }],
          },
        };
        bootstrap.static_resources.clusters.push(closed);
        const http = { uri: 'http://envoy-gateway/accredit.wasm', cluster: 'wasm_cluster', timeout: '1s' };
        wasmFilterOf(bootstrap).typed_config.config.vm_config.code = { remote: { http_uri: http, sha256: 'a'.repeat(64), retry_policy: { num_retries: 0 } } };
      },
    });
    for (const path of ['/', '/api/authorize', '/api/analytics'])
      assert.ok((await new Visitor(unfetched).call(path, { headers: { 'x-forwarded-user': 'root' } })).status >= 500, path);
    assert.deepEqual(application.requests, []);
  });

  it('restarts a filter that crashed; without the patch, it goes on refusing every request', async () => {
    const die = { headers: { 'x-accredit-die': 'yes' } };
    const wasm = dyingWasmPath();
    const mortal = await start({ wasm });
    assert.ok((await new Visitor(mortal).call('/api/analytics', die)).status >= 500);
    await eventually('it decides again', async () => (await new Visitor(mortal).call('/api/analytics')).reason === 'token_missing');
    const shut = await start({ wasm, objects: patches((path) => path !== 'typed_config/config/failure_policy') });
    assert.ok((await new Visitor(shut).call('/api/analytics', die)).status >= 500);
    assert.ok((await new Visitor(shut).call('/api/analytics')).status >= 500);
    assert.deepEqual(application.requests, []);
  });

  it('calls the provider only if its certificate is valid, and is for its name', async () => {
    const authority = makeAuthority();
    const trusting = (bootstrap) => {
      const { transport_socket: socket } = bootstrap.static_resources.clusters.find(({ name }) => name === 'provider');
      socket.typed_config.common_tls_context.validation_context.trusted_ca = { filename: authority.file };
    };
    for (const [name, status] of [
      ['localhost', 200],
      ['evil.example', 503],
    ]) {
      const { certificate: cert, key } = authority.issue(name);
      let issuer;
      const document = () => ({ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` });
      const server = https.createServer({ cert, key }, (request, response) =>
        response.end(JSON.stringify(request.url.includes('openid') ? document() : { keys: [] })),
      );
      issuer = `https://localhost:${await listen(server)}`;
      const started = await start({ issuer, tls: true, change: trusting });
      const answer = await new FrontEnd(started, front).call(new Visitor(started), '/api/authorize');
      assert.deepEqual([name, answer.status], [name, status]);
      await closeServer(server);
    }
  });
});
