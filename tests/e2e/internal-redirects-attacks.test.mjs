// Redirects that Envoy follows itself, in a real Envoy: what others do between two passes, and what nobody gets by it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { managerOf } from './lib/gateway.mjs';
import { now, sign } from './lib/misbehaving.mjs';
import { customResponse, following, go, member, sessionOf, switched, token, type } from './lib/redirects.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

describe('the pass after a request that was turned away, with custom_response in front and internal_redirects', () => {
  const elsewhere = (bootstrap) => {
    following(bootstrap);
    const [listener] = bootstrap.static_resources.listeners;
    managerOf(listener).http_filters.unshift(customResponse('127.0.0.1', { 400: '/open', 403: '/open', 421: '/open' })(listener));
  };
  const plugin = (configuration) => {
    switched(true)(configuration);
    configuration.forward = { access_token: true };
  };
  const stage = onStage({ plugin, envoy: elsewhere });

  it('is nobody at another origin, whatever was wrong with the request', async () => {
    const visitor = await member(stage);
    const cookie = sessionOf(visitor);
    const requests = [['/admin'], ['/a;b'], ['/open', { host: 'unknown.example' }]];
    for (const [path, headers] of requests) {
      stage.application.forget();
      await visitor.call(path, { headers: { cookie, ...headers } });
      const arrived = await stage.application.only('/open');
      assert.match(headerValues(arrived, 'host')[0], /^127\.0\.0\.1:/);
      for (const name of ['x-forwarded-user', 'x-forwarded-access-token', 'cookie']) assert.deepEqual(headerValues(arrived, name), [], path);
    }
  });
});

describe('a token that Envoy adds behind the filter, with internal_redirects', () => {
  let service;
  const prepare = async (provider) => {
    const claims = { iss: provider.issuer, sub: 'the-service', aud: 'api', exp: now() + 300, groups: ['admins', 'staff'] };
    service ??= `Bearer ${await sign(claims, { alg: 'RS256', kid: 'rs-1' }, provider.standardKey)}`;
  };
  const onRoute = (value) => (bootstrap) => {
    following(bootstrap);
    const route = managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts[0].routes.at(-1);
    route.request_headers_to_add = [{ header: { key: 'authorization', value: value() }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }];
  };
  const injected = (bootstrap) => {
    following(bootstrap);
    bootstrap.static_resources.secrets = [{ name: 'service', generic_secret: { secret: { inline_string: service } } }];
    const generic = type('extensions.http.injected_credentials.generic.v3.Generic');
    const credential = { name: 'generic', typed_config: { ...generic, credential: { name: 'service' } } };
    const config = { ...type('extensions.filters.http.credential_injector.v3.CredentialInjector'), overwrite: true, credential };
    managerOf(bootstrap.static_resources.listeners[0]).http_filters.splice(-1, 0, { name: 'injector', typed_config: config });
  };
  for (const [how, envoy] of [
    ['by a route', onRoute(() => service)],
    ['by credential_injector', injected],
    ["by a route, which is the upstream's own secret", onRoute(() => 'Bearer the-upstreams-secret')],
  ]) {
    describe(how, () => {
      const stage = onStage({ plugin: switched(true), prepare, envoy });

      it('makes nobody somebody, and somebody nobody else', async () => {
        const visitor = await member(stage);
        assertProblem(await stage.visitor().call(go('/admin')), 401, 'session_missing');
        assertProblem(await visitor.call(go('/admin')), 403, 'condition_failed');
        assert.equal((await visitor.call(go('/members'))).status, 200);
        assert.deepEqual(headerValues(await stage.application.only('/members'), 'x-forwarded-user'), ['user-1']);
      });
    });
  }
});

describe('a redirect from a host of the same Envoy where there is no Accredit, with internal_redirects', () => {
  const beside = (bootstrap) => {
    following(bootstrap);
    const manager = managerOf(bootstrap.static_resources.listeners[0]);
    const { routes } = manager.route_config.virtual_hosts[0];
    const off = { [manager.http_filters[0].name]: { ...type('config.route.v3.FilterConfig'), disabled: true } };
    const route = { ...structuredClone(routes.at(-1)), match: { prefix: '/' }, typed_per_filter_config: off };
    manager.route_config.virtual_hosts.push({ name: 'elsewhere', domains: ['elsewhere.example'], routes: [route] });
  };
  const stage = onStage({ plugin: switched(true), envoy: beside });

  it('is nobody, with a session as with a token', async () => {
    const visitor = await member(stage);
    for (const credential of [{ cookie: sessionOf(visitor) }, { authorization: `Bearer ${await token(stage)}` }]) {
      const headers = { host: 'elsewhere.example', ...credential };
      assertProblem(await stage.visitor().call(go('/members'), { headers }), 401, 'session_missing');
    }
    assert.deepEqual(stage.application.arrived('/members'), []);
  });
});

describe('a page of one origin whose server has Envoy ask another', () => {
  for (const on of [true, false]) {
    describe(`with internal_redirects: ${on}`, () => {
      const stage = onStage({ plugin: switched(on), envoy: following });

      it("has no evidence of the other's own pages", async () => {
        const visitor = await member(stage);
        const [own, other] = [stage.gateway.origin, stage.gateway.origin.replace('localhost', '127.0.0.1')];
        const post = { method: 'POST', body: '', headers: { 'sec-fetch-site': 'same-origin' } };
        assertProblem(await visitor.call(`${other}${go(`${own}/api/logout`, 307)}`, post), 403, 'cross_site');
        assert.equal((await visitor.call(go(`${own}/api/logout`, 307), post)).status, 200);
      });
    });
  }
});
