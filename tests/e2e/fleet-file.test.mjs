// deploy/fleet/envoy.yaml, as a newcomer copies it: three Envoys with that file, a Redis with TLS and the document's user, and a balancer in front. In every way
// that it has a session ends at one of them, and has ended at all.
//
// Only what this machine does not have is replaced: addresses and ports, the module's path, the listener's TLS, and the way to the provider, which speaks no TLS.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer } from './lib/balancer.mjs';
import { Visitor } from './lib/client.mjs';
import { Envoy, validate } from './lib/envoy.mjs';
import { Fleet, REDIS_NAME, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { asStruct, configurationOf, managerOf, newKey, pluginOf, pointCluster, shipped } from './lib/gateway.mjs';
import { freePort, wasmPath } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { assertProblem } from './lib/stage.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { everyWay } from './lib/ways.mjs';

const FILE = 'deploy/fleet/envoy.yaml';
const WAYS = ['sign-out', 'back-channel logout', 'security event', "operator's end", 'front-channel logout', 'sign-out everywhere'];

/** The file with the ports and files of this machine. */
function onThisMachine({ port, application, redis, authority }) {
  const bootstrap = shipped(FILE);
  const { listeners, clusters } = bootstrap.static_resources;
  for (const { name, address } of listeners) address.socket_address = { address: '127.0.0.1', port_value: name === 'gateway' ? port : 0 };
  bootstrap.admin.address.socket_address = { address: '127.0.0.1', port_value: 0 };
  pluginOf(listeners[0]).vm_config.code.local.filename = wasmPath();
  pointCluster(bootstrap, 'application', application.port);
  pointCluster(bootstrap, 'redis', redis.port);
  for (const name of ['provider', 'redis']) {
    const { transport_socket: socket } = clusters.find((cluster) => cluster.name === name);
    socket.typed_config.common_tls_context.validation_context.trusted_ca.filename = authority.file;
  }
  return bootstrap;
}

/** The name of the session at the provider, which its ID token has as `sid`. */
const sidOf = (sub) => `session-of-${sub}`;

describe('three Envoys that run deploy/fleet/envoy.yaml', () => {
  const [gateways, stage] = [[], {}];
  let fleet, ways, every, everywhere, environment;

  /** Starts one more, with these variables in place of those of all. */
  async function start(changed = {}) {
    const [port, { provider }] = [await freePort(), fleet];
    const bootstrap = onThisMachine({ ...stage, port });
    const { clusters, listeners } = bootstrap.static_resources;
    delete listeners[0].filter_chains[0].transport_socket;
    const address = { socket_address: { address: '127.0.0.1', port_value: provider.port } };
    const load_assignment = { cluster_name: 'provider', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
    clusters.splice(
      clusters.findIndex(({ name }) => name === 'provider'),
      1,
      { name: 'provider', connect_timeout: '2s', load_assignment },
    );
    const configuration = configurationOf(pluginOf(listeners[0]));
    Object.assign(configuration.transmitters[0], every.reach(bootstrap));
    asStruct(pluginOf(listeners[0]), configuration);
    const gateway = await Envoy.start(bootstrap, { concurrency: 2, environment: { ...environment, ...changed } });
    return fleet.add(Object.assign(gateway, { port }));
  }

  before(async () => {
    fleet = await Fleet.start();
    const authority = makeAuthority();
    const redis = fleet.keep(await Redis.start({ authority, name: REDIS_NAME, password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    const { provider, application } = fleet;
    environment = {
      ACCREDIT_ORIGIN: fleet.origin,
      OIDC_ISSUER: provider.issuer,
      OIDC_CLIENT_ID: provider.clientId,
      OIDC_CLIENT_SECRET: provider.clientSecret,
      ACCREDIT_KEY: fleet.key,
      ACCREDIT_OTHER_KEY: newKey(),
      REDIS_PASSWORD: fleet.password,
    };
    every = await everyWay(fleet, 'sso');
    Object.assign(stage, { application, redis, authority });
    for (let envoy = 0; envoy < 3; envoy += 1) gateways.push(await start());
    const balancer = fleet.keep(await Balancer.start(...gateways.map(({ port }) => port)));
    everywhere = { origin: fleet.origin, ports: { [fleet.host]: balancer.port } };
    const inFrame = { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    ways = {
      ...every.ways,
      'front-channel logout': async (gateway, { sub }) => {
        const query = new URLSearchParams({ iss: provider.issuer, sid: sidOf(sub) });
        const answer = await new Visitor(gateway).send(`/api/frontchannel_logout?${query}`, { headers: inFrame });
        assert.equal(answer.status, 200, answer.body);
      },
      'sign-out everywhere': async (gateway, { sub, cookie }) => {
        // The session of another browser of the same person.
        const other = await fleet.session(gateway, { sub });
        await fleet.signOut(gateway, other, { target: '/api/logout?everywhere' });
        assert.notEqual(other, cookie);
      },
    };
  });
  after(() => fleet.stop());

  it('are tried in every way', () => assert.deepEqual(Object.keys(ways), WAYS));

  for (const way of WAYS) {
    it(`${way}: whoever gets it, the session has ended at all three, and those of others go on`, async () => {
      const staying = await fleet.session(everywhere);
      const sub = `of-${way}`;
      const ending = { sub, cookie: await fleet.session(everywhere, { sub, sid: sidOf(sub) }) };
      for (const gateway of gateways) await fleet.assertGoesOn(gateway, ending.cookie);
      await ways[way](everywhere, ending);
      await Promise.all(gateways.map((gateway) => fleet.untilRefused(gateway, ending.cookie)));
      for (const gateway of gateways) await fleet.assertGoesOn(gateway, staying);
    });
  }

  // As docs/deployment.md says what to do when nobody can sign in to end sessions.
  it('with an issuer that nobody has, no session of the provider counts any more, nobody can sign in, and public pages are shown', async () => {
    const cookie = await fleet.session(everywhere);
    const gateway = await start({ OIDC_ISSUER: 'https://provider.invalid' });
    assertProblem(await fleet.ask(gateway, cookie), 401, 'session_invalid');
    const visitor = new Visitor(gateway);
    const begun = await visitor.open('/analytics');
    assert.deepEqual([begun.status, begun.reason], [503, 'metadata_unavailable'], begun.body.slice(0, 300));
    assert.equal((await visitor.open('/')).status, 200);
    await assert.rejects(() => ways['back-channel logout'](gateway, { sub: fleet.provider.user.sub }), /backchannel_logout: metadata_unavailable/);
    // With the former issuer and the same keys, it would go on.
    await fleet.assertGoesOn(gateways[0], cookie);
  });

  it('with two new keys, no session counts any more, and everybody can sign in anew', async () => {
    const cookie = await fleet.session(everywhere);
    const gateway = await start({ ACCREDIT_KEY: newKey(), ACCREDIT_OTHER_KEY: newKey() });
    assertProblem(await fleet.ask(gateway, cookie), 401, 'session_invalid');
    await fleet.assertGoesOn(gateway, await fleet.session(gateway));
    // With one of the two it would go on.
    const half = await start({ ACCREDIT_KEY: newKey(), ACCREDIT_OTHER_KEY: environment.ACCREDIT_KEY });
    await fleet.assertGoesOn(half, cookie);
  });

  it('is taken by Envoy with its TLS, and with what it says of the provider', async () => {
    const bootstrap = onThisMachine({ ...stage, port: await freePort() });
    const { certificate, key } = stage.authority.issue('gateway.example.com');
    const tls = bootstrap.static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context;
    tls.tls_certificates = [{ certificate_chain: { inline_string: certificate }, private_key: { inline_string: key } }];
    const outside = { ...environment, ACCREDIT_ORIGIN: 'https://gateway.example.com', OIDC_ISSUER: 'https://sso.example.com' };
    const { code, log } = await validate(bootstrap, { environment: outside });
    assert.equal(code, 0, log.slice(-2000));
  });

  it("has the document's cluster for the Redis, and everything that reads a body behind the buffer", () => {
    const { static_resources: resources } = shipped(FILE);
    const { dns_lookup_family: _, load_assignment: ours, ...cluster } = resources.clusters.find(({ name }) => name === 'redis');
    const { load_assignment: theirs, ...documented } = documentedCluster(6379, { file: '/etc/ssl/certs/ca-certificates.crt' });
    assert.deepEqual(cluster, documented);
    assert.equal(ours.cluster_name, theirs.cluster_name);
    const routes = managerOf(resources.listeners[0]).route_config.virtual_hosts[0].routes.filter(({ direct_response: own }) => own);
    const { endpoints } = configurationOf(pluginOf(resources.listeners[0]));
    const { backchannel_logout, security_events, operator_logout } = endpoints;
    assert.deepEqual(routes.map(({ match }) => match.path).sort(), [backchannel_logout, security_events, operator_logout].sort());
  });
});
