// deploy/istio: the objects are valid, and agree with each other and with envoy/spa-tokens.yaml; people sign in through what Istio makes of them: the gateway
// and the workload's sidecar in a real Envoy, with certificates of a mesh between them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parse } from 'yaml';
import { BY_HAND, render } from '../../deploy/build/render/istio.mjs';
import { madeByIstio } from '../../deploy/build/render/made/istio.mjs';
import { MODULE, Parts, objectsIn } from '../../deploy/build/render/made/parts.mjs';
import { shipped } from '../../deploy/build/render/source.mjs';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider, startSpaProvider } from './lib/demo.mjs';
import { dyingWasmPath } from './lib/dying.mjs';
import { assertFilesAreNamed, assertReadmeIsCareful } from './lib/folder.mjs';
import { managerOf } from './lib/gateway.mjs';
import {
  DENY_ALL,
  assertNoNames,
  byDiscovery,
  editConfiguration,
  meshSecrets,
  onThisMachine,
  secretsOf,
  startMade,
  validateMade,
  wasmFiltersOf,
} from './lib/mesh.mjs';
import { assertValid, changed, eachWithout, loadSchemas, nameOf, unknownFields } from './lib/objects.mjs';
import { ROOT, closeServer, eventually, freePort, listen } from './lib/process.mjs';
import { FrontEnd } from './lib/spa.mjs';
import { assertNoPanic, assertNotTold, assertProblem } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const PROVIDER = 'outbound|443||provider.accredit.internal';
const WORKLOAD = 'outbound|80||application.application.svc.cluster.local';
const GATEWAY_ID = 'spiffe://cluster.local/ns/istio-ingress/sa/istio-ingress';
const WORKLOAD_ID = 'spiffe://cluster.local/ns/application/sa/application';
const OTHER_ID = 'spiffe://cluster.local/ns/elsewhere/sa/other';

const [values] = objectsIn('istio', ['gateway-values.yaml']);
const OBJECTS = objectsIn('istio', [...BY_HAND, 'envoyfilter.yaml', 'wasmplugin.yaml']);
const MADE = parse(readFileSync(`${ROOT}deploy/istio/envoy.yaml`, 'utf8'));
const only = (objects, kind, name) => objects.find((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
const environmentOf = (plugin) => Object.fromEntries(plugin.spec.vmConfig.env.map(({ name, value }) => [name, value]));

/** Checks everything that must be true of the objects; throws at the first mistake. */
function check(objects) {
  for (const object of objects) assertValid(object);
  const plugin = only(objects, 'WasmPlugin');
  const { spec } = plugin;

  // The configuration and the module are the shipped ones, and nothing fails open.
  assert.deepEqual(spec.pluginConfig, new Parts(shipped, PROVIDER).configuration.toJSON());
  assert.equal(spec.url, `oci://${MODULE}`);
  assert.deepEqual([spec.phase, spec.failStrategy, spec.imagePullPolicy], ['AUTHN', 'FAIL_RELOAD', 'IfNotPresent']);
  for (const object of objects) {
    const selector = object.spec.selector ?? object.spec.workloadSelector;
    if (!['ServiceEntry', 'DestinationRule', 'VirtualService'].includes(object.kind))
      assert.ok(Object.keys(selector?.matchLabels ?? selector?.labels ?? selector ?? {}).length > 0, `${nameOf(object)} selects everything`);
  }

  // Each variable that the configuration names has a value; secrets come from the gateway's container.
  const named = [...JSON.stringify(spec.pluginConfig).matchAll(/"environment_variable":"(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(named)].sort(), spec.vmConfig.env.map(({ name }) => name).sort());
  for (const { name, valueFrom, value } of spec.vmConfig.env) assert.equal(valueFrom, value === undefined ? 'HOST' : 'INLINE', name);
  const fromHost = spec.vmConfig.env.filter(({ valueFrom }) => valueFrom === 'HOST').map(({ name }) => name);
  assert.deepEqual(
    values.envVarFrom.map(({ name, valueFrom }) => [name, valueFrom.secretKeyRef]),
    fromHost.map((name) => [name, { name: 'accredit', key: name }]),
  );

  // Names that must agree.
  const { ACCREDIT_ORIGIN, FRONT_ORIGIN, OIDC_ISSUER } = environmentOf(plugin);
  const { tls } = only(objects, 'DestinationRule').spec.trafficPolicy;
  assert.deepEqual([tls.sni, ...tls.subjectAltNames], Array(2).fill(new URL(OIDC_ISSUER).host));
  assert.deepEqual(only(objects, 'VirtualService').spec.hosts, [new URL(ACCREDIT_ORIGIN).host]);
  assert.deepEqual(only(objects, 'VirtualService').spec.http[0].corsPolicy.allowOrigins, [{ exact: FRONT_ORIGIN }]);
  for (const kind of ['ServiceEntry', 'DestinationRule']) assert.deepEqual(only(objects, kind).spec.exportTo, ['.'], `${kind} is for the gateway alone`);
  assert.equal(only(objects, 'Gateway').spec.servers[0].tls.minProtocolVersion, 'TLSV1_2');

  const { typed_config: manager } = only(objects, 'EnvoyFilter').spec.configPatches[0].patch.value;
  assert.equal(manager.normalize_path, true);
  const [{ typed_config: early }] = manager.early_header_mutation_extensions;
  assert.deepEqual(
    early.mutations.map(({ remove_on_match: { key_matcher: one } }) => one.safe_regex.regex),
    new Parts(shipped, PROVIDER).identityHeaders,
  );

  // The result is the Envoy file that the tests below use.
  assert.deepEqual(madeByIstio(objects, values), MADE);
}

describe('the objects for Istio', () => {
  before(() => loadSchemas(OBJECTS));

  it('are valid, agree with each other, and become the Envoy file beside them', () => check(OBJECTS));

  it('are what is rendered now', () => {
    for (const { path, text } of render(shipped)) assert.equal(readFileSync(ROOT + path, 'utf8'), text, `${path} is left behind: make manifests`);
  });

  it('have only fields that the schema knows', () => {
    const open = ['spec.pluginConfig', 'spec.configPatches.*.patch.value'];
    for (const object of OBJECTS) assert.deepEqual(unknownFields(object, open), [], nameOf(object));
    const mistaken = changed(OBJECTS, 'WasmPlugin', ({ spec }) => (spec.failstrategy = 'FAIL_CLOSE'));
    assert.deepEqual(unknownFields(only(mistaken, 'WasmPlugin'), open), ['spec.failstrategy']);
  });

  it('are all in the kustomization, and every file says how to use it and what to change', () => {
    assertFilesAreNamed(`${ROOT}deploy/istio`, ['gateway-values.yaml', 'envoy.yaml', 'redis.yaml']);
  });

  it('have a README that passes no secret as an argument, removes the routes before the filter, and says what was not tested', () => {
    const removal = [
      'kubectl delete -f deploy/istio/application.yaml',
      'curl -i https://api.example.com/api/chat',
      'kubectl delete -k deploy/istio --ignore-not-found',
    ];
    assertReadmeIsCareful(`${ROOT}deploy/istio`, removal, /## What is not proved\n\nNo istiod has run/);
  });

  it('contain no secret', () => {
    const variables = only(OBJECTS, 'WasmPlugin').spec.vmConfig.env.filter(({ name }) => /SECRET|KEY/.test(name));
    assert.deepEqual(
      variables.map(({ value }) => value),
      [undefined, undefined, undefined],
    );
    assert.deepEqual(
      OBJECTS.filter(({ kind }) => kind === 'Secret'),
      [],
    );
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

  for (const [what, kind, change, name] of [
    ['a plugin that fails open', 'WasmPlugin', ({ spec }) => (spec.failStrategy = 'FAIL_OPEN')],
    ['a plugin behind the policies', 'WasmPlugin', ({ spec }) => (spec.phase = 'STATS')],
    ['a phase that does not exist', 'WasmPlugin', ({ spec }) => (spec.phase = 'FIRST')],
    ['an image without a tag', 'WasmPlugin', ({ spec }) => (spec.url = spec.url.replace(/:[^:]+$/, ''))],
    ['a secret in the manifest', 'WasmPlugin', ({ spec }) => Object.assign(spec.vmConfig.env.at(-1), { valueFrom: 'INLINE', value: 'secret' })],
    [
      'another configuration than the shipped one',
      'WasmPlugin',
      ({ spec }) => spec.pluginConfig.rules.unshift({ match: { path_separated_prefix: '/' }, require: 'public' }),
    ],
    ['a provider that is not verified', 'DestinationRule', ({ spec }) => (spec.trafficPolicy.tls.insecureSkipVerify = true)],
    ['a provider without TLS', 'DestinationRule', ({ spec }) => (spec.trafficPolicy.tls.mode = 'DISABLE')],
    ['CORS for everybody', 'VirtualService', ({ spec }) => (spec.http[0].corsPolicy.allowOrigins = [{ regex: '.*' }])],
    ['a workload that believes anybody in the mesh', 'AuthorizationPolicy', ({ spec }) => (spec.rules[0].from[0].source.principals = ['*']), 'application'],
    ['a workload that takes plain connections', 'PeerAuthentication', ({ spec }) => (spec.mtls.mode = 'PERMISSIVE')],
    ['a policy that only denies what it names', 'AuthorizationPolicy', ({ spec }) => (spec.action = 'DENY'), 'application'],
  ]) {
    it(`are refused with ${what}`, () =>
      assert.throws(
        () => check(changed(OBJECTS, kind, change, name)),
        (error) => Boolean(error.message),
      ));
  }
});

/** Makes the changes of an overlay for this machine, and lets Istio's model make the bootstrap. */
function forThisMachine({ port, front, issuer, objects = OBJECTS, clientId = 'accredit-demo' }) {
  const here = {
    ACCREDIT_ORIGIN: `http://localhost:${port}`,
    FRONT_ORIGIN: front,
    FRONT_CALLBACK: `${front}/auth/callback`,
    OIDC_ISSUER: issuer,
    OIDC_CLIENT_ID: clientId,
  };
  const copy = structuredClone(objects);
  for (const one of only(copy, 'WasmPlugin')?.spec.vmConfig.env ?? []) if (here[one.name]) one.value = here[one.name];
  for (const { spec } of copy.filter(({ kind }) => kind === 'VirtualService')) {
    spec.hosts = ['localhost'];
    spec.http[0].corsPolicy.allowOrigins = [{ exact: front }];
  }
  only(copy, 'Gateway').spec.servers[0].hosts = ['istio-ingress/localhost'];
  return madeByIstio(copy, values);
}

/** The configuration of envoy/bff.yaml with the origin, session and client of this one. */
function withBff(ours) {
  const source = shipped('bff');
  const { name, metadata, ...settings } = source.get([...source.configuration, 'providers', 0]);
  const {
    origins,
    session,
    providers: [{ issuer, clusters, client_id: id, client_secret: secret }],
  } = ours;
  return { ...source.get(source.configuration), origins, session, providers: [{ ...settings, name, issuer, clusters, client_id: id, client_secret: secret }] };
}

describe('what Istio makes of them', () => {
  const front = 'https://front.example.org';
  const mesh = meshSecrets({ 'istio-ingress': GATEWAY_ID, application: WORKLOAD_ID, other: OTHER_ID });
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

  /** Starts gateway and workload with these objects; the plugin comes by discovery, as in a mesh. `change(bootstrap)` is called before that. */
  async function start({ objects = OBJECTS, change = () => {}, plugin, port, provider: own = provider, wasm } = {}) {
    port ??= await freePort();
    const workload = await freePort();
    const bootstrap = forThisMachine({ port, front, issuer: own.issuer, objects });
    onThisMachine(bootstrap, { port, wasm, clusters: { [PROVIDER]: own.port, [WORKLOAD]: workload, 'inbound|9100||': application.port } });
    bootstrap.static_resources.listeners[1].address.socket_address.port_value = workload;
    bootstrap.static_resources.secrets = mesh.secrets;
    change(bootstrap);
    const environment = secretsOf(own);
    const started = await startMade(wasmFiltersOf(bootstrap).length > 0 ? byDiscovery(bootstrap, plugin) : bootstrap, { port, environment });
    running.push(started);
    return Object.assign(started, { workload, environment });
  }

  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

  it('is accepted by Envoy, with the module and its configuration', async () => {
    const bootstrap = structuredClone(MADE);
    bootstrap.static_resources.secrets = mesh.secrets;
    const { code, log } = await validateMade(bootstrap);
    assert.equal(code, 0, log);
    editConfiguration(bootstrap, ({ rules }) => (rules[1].require = 'everybody'));
    const refused = await validateMade(bootstrap);
    assert.equal(refused.code, 1);
    assert.match(refused.log, /accredit: configuration refused: rules\[1\]\.require/);
  });

  it('never forwards a body before a decision: allow_on_headers_stop_iteration is not set', () => {
    assert.equal(/allow_on_headers_stop_iteration/i.test(JSON.stringify(MADE)), false);
  });

  it('signs people in through both Envoys; the application gets their identity and no token', async () => {
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
    assertNotTold(gateway, [...Object.values(gateway.environment), token]);
  });

  it('reads a body and answers as in the README: the reason in the answer shows that Accredit has its buffer', async () => {
    const headers = { origin: front, 'content-type': 'application/json' };
    const answer = await new Visitor(gateway).send('/api/token', { method: 'POST', headers, body: '{"code":"x"}' });
    assert.deepEqual([answer.status, answer.reason], [400, 'attempt_missing']);
  });

  it("answers with Accredit's own refusal what its rules refuse, before any policy of Istio is applied", async () => {
    assertProblem(await page.call(new Visitor(gateway), '/api/analytics'), 401, 'token_missing');
    assertProblem(await page.call(new Visitor(gateway), '/api/chat', bearer(await page.tokenOf('bob'))), 403, 'condition_failed');
    assert.deepEqual(application.requests, []);
  });

  it('answers preflights of the front end, which Accredit would refuse in the default order of filters', async () => {
    for (const [path, method] of [
      ['/api/token', 'POST'],
      ['/api/chat', 'GET'],
    ]) {
      const { status, headers } = await page.preflight(path, method);
      assert.deepEqual([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [200, front, 'true'], path);
      assert.notEqual((await page.preflight(path, method, 'https://evil.example')).status, 200);
    }
    assert.equal((await page.call(new Visitor(gateway), '/api/chat')).headers['access-control-allow-origin'], front);
  });

  it('removes identity headers of clients, so that no policy can trust them', async () => {
    const forged = { 'x-forwarded-user': 'root', 'x-forwarded-groups': 'oracle-ai-admins' };
    assertProblem(await page.call(new Visitor(gateway), '/api/chat', { headers: forged }), 401, 'token_missing');
    const token = await page.tokenOf('bob');
    assertProblem(await page.call(new Visitor(gateway), '/api/chat', { headers: { ...forged, authorization: `Bearer ${token}` } }), 403, 'condition_failed');
    assert.equal((await page.call(new Visitor(gateway), '/api/analytics', { headers: { ...forged, authorization: `Bearer ${token}` } })).status, 200);
    const arrived = await application.only('/api/analytics');
    assert.deepEqual(
      ['user', 'groups'].map((name) => headerValues(arrived, `x-forwarded-${name}`)),
      [['bob'], ['staff']],
    );
  });

  const withoutPlugin = OBJECTS.filter(({ kind }) => kind !== 'WasmPlugin');

  it('refuses every request without the WasmPlugin: the policies find no identity', async () => {
    const bare = await start({ objects: withoutPlugin });
    const answer = await new Visitor(bare).call('/api/analytics', { headers: { 'x-forwarded-user': 'root', 'x-forwarded-groups': 'oracle-ai-admins' } });
    assert.deepEqual([answer.status, answer.body], [403, 'RBAC: access denied']);
    assert.deepEqual(application.requests, []);
  });

  it('removes identity headers of clients even without the WasmPlugin and without policies, by the EnvoyFilter', async () => {
    const objects = withoutPlugin.filter(({ kind }) => kind !== 'AuthorizationPolicy');
    const expressions = new Parts(shipped, PROVIDER).identityHeaders;
    await assertNoNames(await start({ objects }), application, expressions);
    const believed = await start({ objects: objects.filter(({ kind }) => kind !== 'EnvoyFilter') });
    await assert.rejects(assertNoNames(believed, application, expressions), /x-forwarded-user/);
  });

  it("applies the gateway's policy to the headers: it refuses requests that the rules let pass without identity", async () => {
    const open = await start({
      change: (bootstrap) =>
        editConfiguration(bootstrap, ({ rules }) => rules.splice(0, rules.length, { match: { path_separated_prefix: '/api' }, require: 'public' })),
    });
    const answer = await new Visitor(open).call('/api/analytics', { headers: { 'x-forwarded-user': 'root' } });
    assert.deepEqual([answer.status, answer.body], [403, 'RBAC: access denied']);
    assert.deepEqual(application.requests, []);
  });

  it("applies the workload's policy to the groups, even if the gateway's rules do not check them", async () => {
    const lax = await start({ change: (bootstrap) => editConfiguration(bootstrap, ({ rules }) => rules.shift()) });
    const there = new FrontEnd(lax, front);
    for (const [login, status] of [
      ['alice', 200],
      ['bob', 403],
    ]) {
      assert.deepEqual([login, (await there.call(new Visitor(lax), '/api/chat', bearer(await there.tokenOf(login)))).status], [login, status]);
    }
    assert.deepEqual(
      application.requests.map(({ url }) => url),
      ['/api/chat'],
    );
  });

  it('accepts the headers only from the gateway: another workload of the mesh is refused, and so is a client without certificate', async () => {
    const ask = (identity) =>
      new Promise((answered, failed) => {
        const { certificate: cert, key } = mesh.issued[identity] ?? {};
        const headers = { 'x-forwarded-user': 'root', 'x-forwarded-groups': 'oracle-ai-admins' };
        const options = {
          host: '127.0.0.1',
          port: gateway.workload,
          path: '/api/chat',
          headers,
          cert,
          key,
          ca: mesh.authority.pem,
          checkServerIdentity: () => undefined,
          agent: false,
        };
        https
          .get(options, (response) => response.resume().on('end', () => answered(response.statusCode)))
          .on('error', (error) => (identity ? failed(error) : answered(error.code)));
      });
    assert.equal(await ask('istio-ingress'), 200);
    assert.equal(await ask('other'), 403);
    assert.match(String(await ask(undefined)), /ERR_SSL|ECONNRESET|EPIPE/);
    assert.equal(application.requests.length, 1);
  });

  describe('with a filter after Accredit that pauses requests, as for a delay of a VirtualService', () => {
    const filtersOf = (bootstrap) => managerOf(bootstrap.static_resources.listeners[0]).http_filters;
    const delay = (bootstrap) => {
      const { typed_config: fault } = filtersOf(bootstrap).find(({ name }) => name === 'envoy.filters.http.fault');
      fault.delay = { fixed_delay: '0.001s', percentage: { numerator: 100 } };
    };
    const exchanged = async (change) => {
      const delayed = await start({ change });
      const there = new FrontEnd(delayed, front);
      const { visitor, code } = await there.authorized('alice');
      return there.exchange(visitor, { code });
    };

    it('signs people in, because the buffer is before that filter', async () => {
      for (let i = 0; i < 3; i += 1) assert.equal((await exchanged(delay)).status, 200);
    });

    it('would answer 404 with the buffer after that filter, which releases the body before Accredit has decided', async () => {
      const answer = await exchanged((bootstrap) => {
        delay(bootstrap);
        const filters = filtersOf(bootstrap);
        const taken = (wanted) =>
          filters.splice(
            filters.findIndex(({ name }) => name === wanted),
            1,
          );
        taken('envoy.filters.http.rbac'); // otherwise it would refuse the undecided request
        filters.splice(-1, 0, ...taken('envoy.filters.http.buffer'));
      });
      assert.deepEqual([answer.status, answer.reason], [404, undefined]);
    });
  });

  for (const [what, gone] of [
    ['the buffer', ({ applyTo, patch }) => applyTo === 'HTTP_FILTER' && patch.operation === 'INSERT_AFTER'],
    ['the route that leads to nobody', ({ applyTo }) => applyTo === 'HTTP_ROUTE'],
    ['the EnvoyFilter', () => true],
  ]) {
    it(`reads no body without ${what}, and no upstream gets the request`, async () => {
      const objects = changed(OBJECTS, 'EnvoyFilter', ({ spec }) => (spec.configPatches = spec.configPatches.filter((patch) => !gone(patch))));
      const incomplete = await start({ objects });
      const there = new FrontEnd(incomplete, front);
      const { visitor, code } = await there.authorized('alice');
      assert.ok([403, 404, 500].includes((await there.exchange(visitor, { code })).status));
      assert.deepEqual(application.requests, []);
    });
  }

  it('refuses every request when the module cannot be downloaded', async () => {
    const without = await start({ plugin: DENY_ALL });
    for (const path of ['/', '/api/authorize', '/api/analytics'])
      assert.equal((await new Visitor(without).call(path, { headers: { 'x-forwarded-user': 'root' } })).status, 403);
    assert.deepEqual(application.requests, []);
  });

  it('does not start with an invalid module', async () => {
    const bootstrap = structuredClone(MADE);
    bootstrap.static_resources.secrets = mesh.secrets;
    assert.equal((await validateMade(bootstrap, { wasm: `${ROOT}README.md` })).code, 1);
  });

  it('works with sessions in cookies too: envoy/bff.yaml in the same objects, without the EnvoyFilter for bodies', async () => {
    const cookies = changed(
      changed(OBJECTS, 'WasmPlugin', ({ spec }) => (spec.pluginConfig = withBff(spec.pluginConfig))),
      'EnvoyFilter',
      ({ spec }) => (spec.configPatches = spec.configPatches.filter(({ applyTo, patch }) => applyTo !== 'HTTP_ROUTE' && patch.operation !== 'INSERT_AFTER')),
    );
    const port = await freePort();
    const own = await startDemoProvider(`http://localhost:${port}`);
    running.push(own);
    const sessions = await start({ objects: cookies, port, provider: own });
    const alice = await signInAs(sessions, 'alice');
    assert.equal(alice.landing.status, 200, alice.landing.body);
    const arrived = await application.only('/analytics');
    assert.deepEqual(
      ['user', 'groups'].map((name) => headerValues(arrived, `x-forwarded-${name}`)),
      [['alice'], ['oracle-ai-users,staff']],
    );
    assert.equal((await alice.open('/api/chat')).status, 200);
    assertProblem(await new Visitor(sessions).call('/api/chat', { headers: { 'x-forwarded-user': 'root' } }), 401, 'session_missing');
  });

  it('restarts a filter that crashed, and refuses every request meanwhile', async () => {
    const mortal = await start({ wasm: dyingWasmPath() });
    const killer = await new Visitor(mortal).call('/api/analytics', { headers: { 'x-accredit-die': 'yes', 'x-forwarded-user': 'root' } });
    assert.ok(killer.status >= 500, String(killer.status));
    await eventually(
      'it decides again',
      async () => (await new Visitor(mortal).call('/api/analytics', { headers: { 'x-forwarded-user': 'root' } })).reason === 'token_missing',
    );
    assert.deepEqual(application.requests, []);
  });

  it('calls the provider only if its certificate is valid, and is for its name', async () => {
    const server = (names) => {
      const { certificate: cert, key } = mesh.authority.issue(...names);
      const issuer = 'https://sso.example.com';
      const document = { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` };
      return https.createServer({ cert, key }, (request, response) => response.end(JSON.stringify(request.url.includes('openid') ? document : { keys: [] })));
    };
    for (const [names, status] of [
      [['sso.example.com'], 200],
      [['evil.example'], 503],
    ]) {
      const there = server(names);
      const port = await listen(there);
      const started = await startWithTls(port);
      const answer = await new FrontEnd(started, front).call(new Visitor(started), '/api/authorize');
      assert.deepEqual([names, answer.status], [names, status]);
      await closeServer(there);
    }
  });

  async function startWithTls(providerPort) {
    const port = await freePort();
    const bootstrap = forThisMachine({ port, front, issuer: 'https://sso.example.com' });
    onThisMachine(bootstrap, { port, clusters: { [PROVIDER]: providerPort }, tls: true });
    bootstrap.static_resources.listeners.splice(1);
    bootstrap.static_resources.secrets = mesh.secrets;
    const { transport_socket: socket } = bootstrap.static_resources.clusters.find(({ name }) => name === PROVIDER);
    socket.typed_config.common_tls_context.validation_context.trusted_ca = { filename: mesh.authority.file };
    const started = await startMade(bootstrap, { port, environment: secretsOf() });
    running.push(started);
    return started;
  }
});
