// The OpenID Foundation's modules for relying parties in the plans of RP-initiated, back-channel and front-channel logout, by name, with a provider that does
// what the module's provider does. What oidc-provider itself does stands in backchannel-logout.test.mjs and frontchannel-logout.test.mjs. docs/conformance.md
// lists all modules.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { now, sign, unsigned } from './lib/misbehaving.mjs';
import { eventually } from './lib/process.mjs';
import { onStage } from './lib/stage.mjs';

const [BACK, FRONT] = ['/api/backchannel_logout', '/api/frontchannel_logout'];
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

const stageOf = () =>
  onStage({
    plugin: (configuration) => void (configuration.endpoints = { ...configuration.endpoints, frontchannel_logout: FRONT }),
    // Another person for each test, because what has ended stays ended.
    prepare: (provider) => void Object.assign(provider.user, { sub: randomUUID(), sid: randomUUID() }),
  });

/** Signs this person out by a navigation. The result is the last page. */
const signsOut = async (visitor) => visitor.follow(await visitor.open('/api/logout', { headers: { 'sec-fetch-site': 'same-origin' } }));

describe('oidcc-client-test, plan RP-initiated logout', () => {
  const stage = stageOf();

  /** Signs a person out. `target` is where the provider sends the browser then, made of the registered URI and the `state` that it was sent. */
  async function signedOut(target = (back) => back) {
    stage.provider.intercept.end_session = (_, response, { query }) =>
      void response.writeHead(302, { location: target(query.get('post_logout_redirect_uri'), query.get('state')) }).end();
    const visitor = await stage.signedIn();
    const page = await signsOut(visitor);
    assert.deepEqual([page.status, page.url.pathname], [200, '/']);
    const { query } = stage.provider.received.end_session[0];
    assert.equal(query.get('post_logout_redirect_uri'), `${stage.gateway.origin}/`);
    assert.ok(query.get('id_token_hint'), 'a navigation brings the ID token to the provider');
    assert.equal((await visitor.call('/analytics')).status, 401);
    return { page, state: query.get('state') };
  }

  it('oidcc-client-test-rp-init-logout: the browser goes to the provider with the ID token, comes back to the registered URI, and is signed out', () =>
    signedOut());

  it('oidcc-client-test-rp-init-logout-other-state: whatever state comes back, it decides nothing, because none was sent (the suite skips the module then)', async () => {
    const { page, state } = await signedOut((back) => `${back}?state=another`);
    assert.deepEqual([state, page.url.search], [null, '?state=another']);
  });

  it('oidcc-client-test-rp-init-logout-no-state: none is sent, and none is expected', async () => {
    const { page, state } = await signedOut();
    assert.deepEqual([state, page.url.search], [null, '']);
  });
});

/** [module, what is wrong with the token, how it is made of honest claims and the provider's key] */
const BAD = [
  ['alg-none', 'an unsigned logout token', (claims) => unsigned(claims, { alg: 'none', typ: 'logout+jwt' })],
  ['no-event', 'a token without `events`', ({ events: _, ...claims }, signed) => signed(claims)],
  ['wrong-event', 'a token of another event', (claims, signed) => signed({ ...claims, events: { [`${EVENT}-other`]: {} } })],
  ['with-nonce', 'a token with a nonce, as ID tokens have it', (claims, signed) => signed({ ...claims, nonce: 'n' })],
  [
    'wrong-alg',
    'a token signed with the client secret',
    (claims) => sign(claims, { alg: 'HS256', typ: 'logout+jwt' }, new TextEncoder().encode('demo-secret'.padEnd(32, '-'))),
  ],
  ['wrong-aud', 'a token for another client', (claims, signed) => signed({ ...claims, aud: 'somebody-else' })],
  ['wrong-iss', 'a token of another issuer', (claims, signed) => signed({ ...claims, iss: 'https://other.example' })],
];

describe('oidcc-client-test, plan back-channel logout', () => {
  const stage = stageOf();

  /** Posts a logout token, made by `make(honest claims, sign)`. */
  async function posted(make) {
    const { issuer, clientId, standardKey, user } = stage.provider;
    const claims = { iss: issuer, aud: clientId, iat: now(), exp: now() + 120, jti: randomUUID(), events: { [EVENT]: {} }, sub: user.sub, sid: user.sid };
    const token = await make(claims, (payload) => sign(payload, { alg: 'RS256', kid: 'rs-1', typ: 'logout+jwt' }, standardKey));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return stage.visitor().send(BACK, { method: 'POST', headers, body: `logout_token=${token}` });
  }

  it('oidcc-client-test-rp-backchannel-rpinitlogout: a good logout token is 200 and not to be stored, and the session has ended', async () => {
    const visitor = await stage.signedIn();
    const answer = await posted((claims, signed) => signed(claims));
    assert.deepEqual([answer.status, answer.headers['cache-control']], [200, 'no-store']);
    assert.equal((await visitor.call('/analytics')).status, 401);
  });

  for (const [module, what, make] of BAD) {
    it(`oidcc-client-test-rp-backchannel-rpinitlogout-${module}: ${what} is 400 logout_token_invalid and ends nothing`, async () => {
      const visitor = await stage.signedIn();
      const answer = await posted(make);
      assert.deepEqual([answer.status, answer.reason], [400, 'logout_token_invalid']);
      assert.deepEqual(answer.json(), { error: 'invalid_request', error_description: 'logout_token_invalid' });
      assert.match(answer.headers['cache-control'], /no-store/);
      assert.equal((await visitor.call('/analytics')).status, 200);
      assert.equal((await posted((claims, signed) => signed(claims))).status, 200);
      assert.equal((await visitor.call('/analytics')).status, 401, 'the same token without the fault ends it');
    });
  }
});

describe('oidcc-client-test, plan front-channel logout', () => {
  const stage = stageOf();

  it('oidcc-client-test-rp-frontchannel-rpinitlogout: the frame of the provider’s sign-out page ends the session', async () => {
    const visitor = await stage.signedIn();
    const query = new URLSearchParams({ iss: stage.provider.issuer, sid: stage.provider.user.sid });
    const frame = { 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site', referer: `${stage.provider.issuer}/` };
    const answer = await stage.visitor().send(`${FRONT}?${query}`, { headers: frame });
    assert.deepEqual([answer.status, answer.headers['cache-control'], answer.cookies], [200, 'no-store', []]);
    assert.equal(answer.headers['content-security-policy'], `default-src 'none'; frame-ancestors ${stage.provider.issuer}`);
    await eventually('it has ended', async () => (await visitor.call('/analytics')).status === 401);
    assert.equal((await signsOut(visitor)).url.pathname, '/', 'then the sign-out here, which the module begins with, finds nothing left to end');
  });
});
