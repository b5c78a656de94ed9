// A second gateway, for example of a staging environment, that has the same key, secret and names of provider and cluster as the first one. Only its origin and
// the people who may sign in differ. An administrator of that gateway must have no access at this one.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { newKey, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { assertNoPanic, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const ADMIN = { sub: 'mallory', email: 'admin@example.com', email_verified: true, groups: ['oracle-ai-admins', 'oracle-ai-users'] };
const SEALED = () => {};
const SIGNED = (configuration) => {
  const { keys } = configuration.session;
  const claims = ['email', 'email_verified', 'groups', 'preferred_username'];
  configuration.session = {
    keys,
    form: 'jwt',
    jwt: { keys: [{ environment_variable: 'SESSION_JWT_SECRET' }], claims, bearer: true },
    cookie: { name: 'access_token' },
  };
};

for (const [form, plugin] of Object.entries({ sealed: SEALED, jwt: SIGNED })) {
  describe(`sessions that are ${form}`, () => {
    let provider, stagingProvider, application, production, staging;
    const withSecret = (bootstrap) => {
      for (const { typed_config: config } of bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters) {
        config?.config?.vm_config?.environment_variables?.host_env_keys.push('SESSION_JWT_SECRET');
      }
    };

    before(async () => {
      [provider, stagingProvider, application] = [await Provider.start(), await Provider.start(), await Application.start()];
      const shared = { application, key: newKey(), jwtSecret: newKey(), plugin, envoy: withSecret };
      production = await startGateway({ provider, ...shared });
      staging = await startGateway({ provider: stagingProvider, ...shared });
    });
    beforeEach(() => {
      provider.behave();
      stagingProvider.behave();
      stagingProvider.user = ADMIN;
      application.forget();
    });
    after(async () => {
      for (const part of [production, staging, provider, stagingProvider, application]) await part?.stop();
      for (const gateway of [production, staging]) if (gateway) assertNoPanic(gateway);
    });

    /** A visitor of production whose browser sends the cookies of the other gateway, because cookies do not depend on the port. */
    function atProduction(visitor) {
      const moved = new Visitor(production);
      moved.jar = visitor.jar;
      return moved;
    }

    it('of an administrator of the other gateway are not accepted, neither as a cookie nor as a token', async () => {
      const mallory = new Visitor(staging);
      assert.equal((await mallory.signIn('/members')).status, 200);
      application.forget();
      const [, session] = /(?:__Host-accredit|access_token)=([^;]+)/.exec(mallory.jar.header('localhost', '/'));
      assertProblem(await atProduction(mallory).call('/members'), 401, 'session_invalid');
      assertProblem(await atProduction(mallory).call('/api/session'), 401, 'session_invalid');
      if (form === 'jwt') {
        const bearer = { headers: { authorization: `Bearer ${session}` } };
        assert.equal((await new Visitor(staging).send('/members', bearer)).status, 200);
        application.forget();
        assertProblem(await new Visitor(production).send('/members', bearer), 401, 'token_invalid');
      }
      assert.deepEqual(application.requests, []);
    });

    it('cannot come from a sign-in that was begun at the other gateway: no code is sent to a provider', async () => {
      const mallory = new Visitor(staging);
      const callback = await mallory.untilCallback('/members');
      provider.forget();
      stagingProvider.forget();
      const answer = await atProduction(mallory).open(callback.pathname + callback.search);
      assertRefused(answer, 400, 'attempt_missing');
      assert.deepEqual([provider.count('token'), stagingProvider.count('token')], [0, 0]);
      assert.match(production.log(), /begun for another issuer, client or origin/);
    });

    it('of this gateway are accepted', async () => {
      const alice = new Visitor(production);
      assert.equal((await alice.signIn('/members')).status, 200);
      assert.equal((await alice.call('/members')).status, 200);
    });
  });
}

describe('a replica with another key', () => {
  let provider, application, one, other;

  before(async () => {
    [provider, application] = [await Provider.start(), await Application.start()];
    one = await startGateway({ provider, application });
    other = await startGateway({ provider, application });
  });
  after(async () => {
    for (const part of [one, other, provider, application]) await part?.stop();
    for (const gateway of [one, other]) if (gateway) assertNoPanic(gateway);
  });

  it('says in a line by which key the session was sealed, and sends the browser to the provider', async () => {
    const here = new Visitor(one);
    assert.equal((await here.signIn('/analytics')).status, 200);
    const there = new Visitor(other);
    there.jar = here.jar;
    assertProblem(await there.call('/api/session'), 401, 'session_invalid');
    assert.equal((await there.open('/analytics')).status, 302);
    const lines = other.auditLog().filter(({ event }) => event === 'session_refused');
    assert.deepEqual(
      lines.map(({ reason, path }) => [reason, path]),
      [['session_invalid', '/analytics']],
    );
    assert.match(lines[0].detail, /^the session was sealed by key [\w-]{6}, and the keys here are [\w-]{6}: all replicas need the same session\.keys$/);
  });
});
