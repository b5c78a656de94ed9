// Policies that an Envoy route names in its metadata, and a bypass that works with other gateways.
//
// A filter sees the route that Envoy chose first, but every change of a header makes Envoy choose again. So a header that the client sends and the filter
// removes could select a route with a lax policy for the check, and another route with a strict policy for the request.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { capabilitiesWithout, managerOf, pluginOf } from './lib/gateway.mjs';
import { assertProblem, assertRefused, onStage } from './lib/stage.mjs';

/** Wrong values in place of a policy's name, as after a mistake or from a template without a value. */
const UNREADABLE = ['', null, [], {}, ['members'], { members: true }, true, 5, ' members'];

/** Two routes for one path, as in the bypass: a lax one for requests with a header, a strict one for all others. */
const routes = (header) => (bootstrap) => {
  const [host] = managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts;
  const { route } = host.routes.at(-1);
  const named = (policy) => ({ filter_metadata: { accredit: { policy } } });
  host.routes = [
    { match: { prefix: '/secret', headers: [{ name: header, present_match: true }] }, route },
    { match: { prefix: '/secret' }, route, metadata: named('members') },
    { match: { prefix: '/lax' }, route, metadata: named('everybody') },
    { match: { prefix: '/unknown' }, route, metadata: named('nobody-defined-this') },
    ...UNREADABLE.map((policy, index) => ({ match: { prefix: `/unreadable-${index}` }, route, metadata: named(policy) })),
    { match: { prefix: '/elsewhere' }, route, metadata: { filter_metadata: { accredit: { note: 'policies', 'other-policy': 'members' } } } },
    { match: { prefix: '/others' }, route, metadata: { filter_metadata: { others: { policy: 'members' } } } },
    { match: { prefix: '/' }, route },
  ];
};

const withPolicies = (configuration) => {
  configuration.policies = { members: { claim: 'groups', any_of: ['members'] }, everybody: { not: { claim: 'groups', any_of: ['nobody'] } } };
  configuration.route_policies = { filter_metadata: 'accredit' };
};

for (const header of ['x-forwarded-user', 'x-forwarded-groups', 'x_forwarded_user']) {
  describe(`a policy of the route, when a lax route is matched by ${header}`, () => {
    const stage = onStage({ plugin: withPolicies, envoy: routes(header) });

    it('cannot be avoided by a request with this header, which the filter removes', async () => {
      const bob = await stage.signedIn();
      assertRefused(await bob.open('/secret'), 403, 'condition_failed');
      for (const spelling of [header, header.toUpperCase(), header.replaceAll('-', '_')]) {
        assertRefused(await bob.open('/secret', { headers: { [spelling]: 'x' } }), 400, 'header_ambiguous');
        assertRefused(await bob.open('/secret', { headers: { [spelling]: '' } }), 400, 'header_ambiguous');
      }
      assert.deepEqual(stage.application.requests, []);
      assert.equal((await bob.open('/analytics')).status, 200);
    });

    it('lets in those whom it allows', async () => {
      stage.provider.user = { ...stage.provider.user, groups: ['members'] };
      assert.equal((await (await stage.signedIn()).open('/secret')).status, 200);
    });
  });
}

describe('a policy of the route', () => {
  const stage = onStage({ plugin: withPolicies, envoy: routes('x-any') });

  it('can only add a restriction: a lax one does not open what a rule closes', async () => {
    assertProblem(await stage.visitor().call('/lax'), 401, 'session_missing');
    assert.equal((await (await stage.signedIn()).open('/lax')).status, 200);
  });

  it('that is not defined closes the route', async () => {
    const visitor = await stage.signedIn();
    assertRefused(await visitor.open('/unknown'), 503, 'route_policy_unknown');
    assert.deepEqual(stage.application.requests, []);
  });

  for (const [index, policy] of UNREADABLE.entries()) {
    it(`that is ${JSON.stringify(policy)} closes the route, and is not taken for absent`, async () => {
      const visitor = await stage.signedIn();
      assertRefused(await visitor.open(`/unreadable-${index}`), 503, 'route_policy_unknown');
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('is absent if the route does not name one, whatever else its metadata has', async () => {
    const visitor = await stage.signedIn();
    for (const path of ['/elsewhere', '/others', '/analytics']) assert.equal((await visitor.open(path)).status, 200, path);
  });

  it('is found whatever the query says', async () => {
    const visitor = await stage.signedIn();
    assertRefused(await visitor.open('/secret?x=/lax'), 403, 'condition_failed');
  });
});

describe('policies of routes, if Envoy does not give the filter the metadata of routes', () => {
  const silent = (bootstrap) => {
    routes('x-any')(bootstrap);
    pluginOf(bootstrap.static_resources.listeners[0]).capability_restriction_config = capabilitiesWithout('proxy_get_property');
  };
  const stage = onStage({ plugin: withPolicies, envoy: silent });

  it('are not ignored: everything is closed', async () => {
    for (const path of ['/', '/secret', '/lax']) assertRefused(await stage.visitor().open(path), 503, 'route_policy_unknown');
    assert.deepEqual(stage.application.requests, []);
  });
});
