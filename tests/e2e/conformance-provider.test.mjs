// The OpenID Foundation's modules for relying parties in the plans `config` and `refresh`, by name, with a provider that misbehaves as in each module. Those of the
// other plans stand in conformance.test.mjs and conformance-logout.test.mjs; docs/conformance.md lists all.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, makeKey, sign } from './lib/misbehaving.mjs';
import { sleep } from './lib/process.mjs';
import { headerValues } from './lib/upstream.mjs';
import { assertRefused, onStage, sessionCookies } from './lib/stage.mjs';

const withUserinfo = (configuration) => void (configuration.providers[0].userinfo = true);
const claim = (changes) => (provider) => (provider.lies.claims = (claims) => ({ ...claims, ...changes }));

describe('oidcc-client-test, plan config', () => {
  const stage = onStage();

  it('oidcc-client-test-discovery-jwks-uri-keys: keys are those that jwks_uri names', async () => {
    const landing = await stage.visitor().signIn('/analytics');
    assert.equal(landing.status, 200);
    assert.equal(sessionCookies(landing.trail[2]).length, 1);
  });

  it('oidcc-client-test-signing-key-rotation: a second sign-in with a new key fetches the new keys and is accepted', async () => {
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    stage.provider.forget();
    await rotate(stage.provider, 'rotated-1');
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    assert.equal(stage.provider.count('keys'), 1, 'the new key was fetched once');
  });

  it('oidcc-client-test-signing-key-rotation-just-before-signing: a key made after the redirect is fetched at once', async () => {
    stage.provider.lies.redirect = async (parameters) => {
      await rotate(stage.provider, 'rotated-2');
      return parameters;
    };
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    assert.equal(stage.provider.count('keys'), 1, 'the new key was fetched once');
  });

  async function rotate(provider, kid) {
    const key = await makeKey('RS256', kid);
    provider.keys = [key];
    provider.signingKey = key;
  }
});

describe('a provider that replaces its key', () => {
  const stage = onStage();

  it('a new key under the name of the former one is fetched when the first signature fails, and the former one is forgotten', async () => {
    const former = stage.provider.signingKey;
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    stage.provider.forget();
    const key = { ...(await makeKey('RS256', 'made anew')), kid: former.kid };
    key.published = { ...key.published, kid: former.kid };
    Object.assign(stage.provider, { keys: [key], signingKey: key });
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    assert.equal(stage.provider.count('keys'), 1, 'the new key was fetched once');
    stage.provider.signingKey = former;
    assertRefused(await stage.visitor().signIn('/analytics'), 502, 'id_token_signature');
  });
});

describe('a provider that signs userinfo with a key of its own, and replaces it', () => {
  const stage = onStage({ plugin: withUserinfo });

  it('the first person after that waits for the new key and is signed in; by a key that is not published, nobody is', async () => {
    const signedBy = (key, kid) => async (_, response) => {
      const { alg } = key.published;
      answer(response, 200, await sign(stage.provider.user, { alg, kid }, key), { 'content-type': 'application/jwt' });
    };
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    stage.provider.forget();
    const key = await makeKey('RS256', 'for userinfo');
    stage.provider.keys = [...stage.provider.keys, key];
    stage.provider.intercept.userinfo = signedBy(key, 'for userinfo');
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    assert.equal(stage.provider.count('keys'), 1, 'the new key was fetched once');
    stage.application.forget();
    stage.provider.intercept.userinfo = signedBy(await makeKey('RS256', 'a thief'), 'for userinfo');
    assertRefused(await stage.visitor().signIn('/analytics'), 502, 'userinfo_malformed');
    assert.deepEqual(stage.application.requests, []);
  });
});

describe('oidcc-client-test, plan refresh', () => {
  const LIFE = 2;
  const stage = onStage({
    plugin: (configuration) => void (configuration.forward = { access_token: true }),
    prepare: (provider) => Object.assign(provider, { rotates: true, lifetime: LIFE }),
  });

  /** A person whose tokens have expired, so that the next request waits for the refresh. */
  async function dueForRefresh() {
    const visitor = await stage.signedIn();
    await sleep(LIFE * 1000 + 100);
    return visitor;
  }

  it('oidcc-client-test-refresh-token: the refresh token brings new tokens, which go upstream', async () => {
    const visitor = await dueForRefresh();
    assert.equal((await visitor.call('/analytics')).status, 200);
    const [, { form, client }] = stage.provider.received.token;
    assert.deepEqual([form.get('grant_type'), form.has('scope'), client.method], ['refresh_token', false, 'client_secret_basic']);
    const [token] = headerValues(await stage.application.only('/analytics'), 'x-forwarded-access-token');
    assert.equal(token, [...stage.provider.accessTokens.keys()].at(-1));
    assert.equal(stage.provider.accessTokens.size, 2);
  });

  for (const [module, what, changes, reason] of [
    ['refresh-token-invalid-issuer', 'a refreshed ID token of another issuer', { iss: 'https://other.example' }, 'id_token_issuer'],
    ['refresh-token-invalid-sub', 'a refreshed ID token about somebody else', { sub: 'somebody-else' }, 'id_token_subject'],
  ]) {
    it(`oidcc-client-test-${module}: ${what} ends the session: 401 session_expired, and refresh_failed ${reason}`, async () => {
      const visitor = await dueForRefresh();
      claim(changes)(stage.provider);
      const refused = await visitor.call('/analytics');
      assertRefused(refused, 401, 'session_expired');
      assert.equal((await visitor.call('/api/session')).status, 401);
      assert.equal(await stage.gateway.counter(`accredit_refresh_failed_${reason}`), 1);
      assert.match(stage.gateway.log(), new RegExp(`"ended":true,"event":"refresh_failed".*"reason":"${reason}"`));
      assert.deepEqual(stage.application.requests, []);
    });
  }
});

describe('oidcc-client-test, a provider that claims to be another one', () => {
  const stage = onStage({
    plugin: (configuration) => void (configuration.sign_in = { wait: '1s' }),
    prepare: (provider) => void (provider.lies.discovery = (document) => ({ ...document, issuer: 'https://other.example' })),
  });

  it('oidcc-client-test-discovery-issuer-mismatch: metadata of another issuer is never used; sign-in answers 503', async () => {
    const answer = await stage.visitor().open('/analytics');
    assertRefused(answer, 503, 'metadata_unavailable');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.ok((await stage.gateway.counter('accredit_fetch_metadata_failed')) > 0);
    assert.deepEqual(stage.application.requests, []);
  });

  it('oidcc-client-test-discovery-issuer-mismatch: the log shows both issuers, so that the difference can be seen', () => {
    assert.match(stage.gateway.log(), /https:\/\/other\.example/);
    assert.ok(stage.gateway.log().includes(stage.provider.issuer));
  });
});
