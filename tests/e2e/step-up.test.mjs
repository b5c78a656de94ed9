// Step-up in a real Envoy: for a stronger or more recent sign-in, a navigation is redirected and a script gets an error; the provider's answer must meet the
// demand.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { now, sign } from './lib/misbehaving.mjs';
import { assertProblem, assertRefused, onStage, sessionCookies } from './lib/stage.mjs';

const GOLD = 'urn:example:gold';
const rules = [
  { match: { path_separated_prefix: '/transfers' }, require: { acr: [GOLD], max_auth_age: '5m' } },
  { match: { path_separated_prefix: '/orders' }, require: { bearer: 'demo', audience: ['orders'] } },
];

/** Makes the provider authenticate as strongly as it was asked to, and weakly if it was not asked. */
const obliging = (provider) => {
  provider.lies.claims = (truth) => ({ ...truth, acr: provider.received.authorize.at(-1).query.get('acr_values') ?? 'urn:example:silver' });
};

describe('a page that asks for a stronger sign-in', () => {
  const stage = onStage({
    plugin: (configuration) => {
      configuration.rules = rules;
      configuration.providers[0].bearer = { audiences: ['api'] };
    },
    prepare: obliging,
  });

  it('redirects signed-in people to the provider, once, and then lets them in', async () => {
    const visitor = await stage.signedIn();
    const landing = await visitor.signIn('/transfers?to=bob');
    assert.deepEqual(
      landing.trail.map(({ status }) => status),
      [302, 302, 303, 200],
    );
    assert.equal(landing.url.pathname + landing.url.search, '/transfers?to=bob');
    const asked = stage.provider.received.authorize.at(-1).query;
    assert.deepEqual([asked.get('acr_values'), asked.get('max_age')], [GOLD, '300']);
    assert.equal((await visitor.open('/transfers')).status, 200);
  });

  it('gives a script an error with the address for it', async () => {
    const visitor = await stage.signedIn();
    const problem = assertProblem(await visitor.call('/transfers', { method: 'POST', body: 'x' }), 401, 'authentication_insufficient');
    assert.deepEqual([problem.acr_values, problem.max_age], [GOLD, '300']);
    assert.deepEqual(stage.application.requests, []);
    await visitor.signIn(problem.sign_in);
    assert.equal((await visitor.call('/transfers', { method: 'POST', body: 'x' })).status, 200);
  });

  for (const [what, lie] of [
    ['the same class as before', { acr: 'urn:example:silver' }],
    ['no class', { acr: undefined }],
    ['a list of classes', { acr: [GOLD] }],
    ['no time', { auth_time: undefined }],
    ['a time too long ago', { auth_time: now() - 1_000 }],
    ['a time that lies ahead', { auth_time: now() + 1_000 }],
  ]) {
    it(`refuses a person if the provider says ${what}, without another redirect`, async () => {
      const visitor = await stage.signedIn();
      stage.provider.lies.claims = (truth) => ({ ...truth, acr: GOLD, ...lie });
      const last = await visitor.signIn('/transfers');
      assertRefused(last, 403, 'step_up_failed');
      assert.deepEqual([last.trail.length, sessionCookies(last)], [3, []]);
      assert.deepEqual(stage.application.requests, []);
      assert.equal((await visitor.open('/analytics')).status, 200, 'the session from before is still good');
    });
  }

  it('refuses a program with a weak token (RFC 9470), or with a token for something else (RFC 6750)', async () => {
    const [key] = stage.provider.keys;
    const token = (claims) => sign({ iss: stage.provider.issuer, sub: 'robot', aud: 'api', exp: now() + 300, ...claims }, { alg: 'RS256', kid: key.kid }, key);
    const send = async (path, claims) => stage.visitor().send(path, { headers: { authorization: `Bearer ${await token(claims)}` } });
    const weak = await send('/transfers', { acr: 'urn:example:silver', auth_time: now() });
    assertProblem(weak, 401, 'authentication_insufficient');
    assert.match(
      weak.headers['www-authenticate'],
      new RegExp(`^Bearer realm="[^"]+", error="insufficient_user_authentication", error_description="[^"]+", acr_values="${GOLD}", max_age="300"$`),
    );
    assert.equal((await send('/transfers', { acr: GOLD, auth_time: now() })).status, 200);
    const other = await send('/orders', {});
    assertProblem(other, 401, 'audience_missing');
    assert.match(other.headers['www-authenticate'], /error="invalid_token"/);
    assert.equal((await send('/orders', { aud: ['orders', 'api'] })).status, 200);
  });
});
