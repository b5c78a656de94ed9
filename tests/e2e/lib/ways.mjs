// Every way in which a session of somebody ends at one Envoy of a fleet, so that the tests and `make bench` try the same.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { withBodies } from './bodies.mjs';
import { Visitor } from './client.mjs';
import { now, sign } from './misbehaving.mjs';
import { Transmitter } from './transmitter.mjs';

const PATHS = { backchannel_logout: '/api/backchannel_logout', security_events: '/api/security_events', operator_logout: '/api/operator_logout' };

const LOGOUT = { 'http://schemas.openid.net/event/backchannel-logout': {} };

/**
 * For a fleet (lib/fleet.mjs): `join` starts an Envoy that has all these endpoints, and `ways` has, by the name of each way, the function that ends at that
 * Envoy the session with these cookies, which is the person's of this `sub`. `name` is that of the provider; `reach` lets an Envoy reach the transmitter.
 */
export async function everyWay(fleet, name = 'demo') {
  const transmitter = fleet.keep(await Transmitter.start());
  const host = `127.0.0.1:${transmitter.port}`;
  const plugin = (configuration) => {
    configuration.endpoints = { ...configuration.endpoints, ...PATHS };
    configuration.transmitters = [{ issuer: transmitter.issuer, clusters: { [host]: host }, providers: [name] }];
    configuration.rules.unshift({ match: { path: PATHS.operator_logout }, require: { claim: 'groups', any_of: ['security'] } });
  };
  const reach = (bootstrap) => {
    const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: transmitter.port } } };
    const load_assignment = { cluster_name: host, endpoints: [{ lb_endpoints: [{ endpoint }] }] };
    bootstrap.static_resources.clusters.push({ name: host, connect_timeout: '1s', load_assignment });
    return { issuer: transmitter.issuer, clusters: { [host]: host } };
  };
  const envoy = (bootstrap) => {
    Object.values(PATHS).forEach((path) => withBodies(bootstrap, path));
    reach(bootstrap);
  };
  const post = async (gateway, path, status, headers, body) => {
    const answer = await new Visitor(gateway).send(path, { method: 'POST', headers, body });
    assert.equal(answer.status, status, `${path}: ${answer.reason} ${answer.body}`);
  };
  const { provider } = fleet;
  const operator = { cookie: undefined };
  const ways = {
    'sign-out': (gateway, { cookie }) => fleet.signOut(gateway, cookie),
    'back-channel logout': async (gateway, { sub }) => {
      const { standardKey: key } = provider;
      const claims = { iss: provider.issuer, aud: provider.clientId, iat: now(), exp: now() + 120, jti: randomUUID(), sub, events: LOGOUT };
      const token = await sign(claims, { alg: key.algorithm, kid: key.kid, typ: 'logout+jwt' }, key);
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      await post(gateway, PATHS.backchannel_logout, 200, form, new URLSearchParams({ logout_token: token }).toString());
    },
    'security event': async (gateway, { sub }) => {
      const token = await transmitter.token('account-disabled', { format: 'iss_sub', iss: provider.issuer, sub });
      await post(gateway, PATHS.security_events, 202, { 'content-type': 'application/secevent+jwt' }, token);
    },
    "operator's end": async (gateway, { sub }) => {
      operator.cookie ??= await fleet.session(gateway, { groups: ['security', 'oracle-ai-users'] });
      const headers = { cookie: operator.cookie, 'content-type': 'application/json', origin: fleet.origin, 'sec-fetch-site': 'same-origin' };
      await post(gateway, PATHS.operator_logout, 202, headers, JSON.stringify({ provider: name, sub }));
    },
  };
  return { join: (options) => fleet.join({ ...options, plugin, envoy }), ways, reach };
}
