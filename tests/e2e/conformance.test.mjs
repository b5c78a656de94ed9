// The OpenID Foundation's modules for relying parties in the plans `basic` and `form post`, by name, with a provider that misbehaves as in each module. Those of
// the other plans stand in conformance-provider.test.mjs and conformance-logout.test.mjs; docs/conformance.md lists all.
//
// The Foundation's suite cannot detect by itself that something was refused. Here, every negative case checks the status and the reason of the filter's answer,
// that there is no session, and that the application got no request.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { managerOf } from './lib/gateway.mjs';
import { answer, makeKey, sign, unsigned } from './lib/misbehaving.mjs';
import { headerValues } from './lib/upstream.mjs';
import { assertRefused, onStage, sessionCookies } from './lib/stage.mjs';

const odd = 'secret:with/odd+signs % and ü';
const twoKeys = async (provider) => {
  provider.clientSecret = odd;
  provider.keys = [await makeKey('RS256', 'rs-1'), await makeKey('RS256', 'rs-2')];
};
const oneKey = (provider) => void (provider.clientSecret = odd);
const withUserinfo = (configuration) => void (configuration.providers[0].userinfo = true);

const claim = (changes) => (provider) => (provider.lies.claims = (claims) => ({ ...claims, ...changes }));

/** [module, what the provider does wrong, how it is told to, the reason in the filter's answer] */
const REJECTED = [
  ['invalid-iss', 'an ID token of another issuer', claim({ iss: 'https://other.example' }), 'id_token_issuer'],
  ['missing-sub', 'an ID token without a subject', claim({ sub: undefined }), 'id_token_subject'],
  ['invalid-aud', 'an ID token for another client', claim({ aud: 'somebody-else' }), 'id_token_audience'],
  ['missing-iat', 'an ID token that does not say when it was issued', claim({ iat: undefined }), 'id_token_issued_at'],
  ['nonce-invalid', 'an ID token with the nonce of another attempt', claim({ nonce: 'of-another-attempt' }), 'id_token_nonce'],
  [
    'userinfo-invalid-sub',
    'userinfo about somebody else',
    (provider) => (provider.lies.userinfo = (user) => ({ ...user, sub: 'somebody-else' })),
    'userinfo_subject',
  ],
  ['invalid-sig-rs256', 'a signature that the named key did not make', forgedSignature, 'id_token_signature'],
  ['idtoken-sig-none', 'an unsigned ID token', (provider) => (provider.lies.idToken = (claims) => unsigned(claims, { alg: 'none' })), 'id_token_algorithm'],
];

/** The Foundation allows both for a token that names no key: to refuse it, or to try every key. */
function unnamedKey(provider) {
  provider.lies.header = ({ alg, typ }) => ({ alg, typ });
}

function forgedSignature(provider) {
  provider.lies.idToken = async (claims, header) => sign(claims, header, await makeKey('RS256', 'a thief'));
}

describe('oidcc-client-test, plan basic', () => {
  const stage = onStage({ plugin: withUserinfo, prepare: twoKeys });

  for (const [module, what, misbehave, reason] of REJECTED) {
    it(`oidcc-client-test-${module}: ${what} is refused with 502 ${reason}`, async () => {
      misbehave(stage.provider);
      const visitor = stage.visitor();
      const answer = await visitor.signIn('/analytics');
      assertRefused(answer, 502, reason);
      assert.equal((await visitor.call('/api/session')).status, 401);
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('oidcc-client-test: the happy path signs in by code, PKCE, state and nonce, and ends at the page where it began', async () => {
    const landing = await stage.visitor().signIn('/analytics?from=here');
    assert.deepEqual(
      landing.trail.map(({ status }) => status),
      [302, 302, 303, 200],
    );
    assert.equal(landing.url.pathname + landing.url.search, '/analytics?from=here');
    const [asked] = stage.provider.received.authorize;
    assert.deepEqual(
      ['response_type', 'client_id', 'scope', 'redirect_uri', 'code_challenge_method'].map((name) => asked.query.get(name)),
      ['code', 'accredit-demo', 'openid profile email groups', `${stage.gateway.origin}/api/callback`, 'S256'],
    );
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(asked.query.get(name)?.length >= 32, `${name} is too short`);
    assert.equal(stage.provider.count('token'), 1);
    const [{ form }] = stage.provider.received.token;
    assert.deepEqual([form.get('grant_type'), form.get('redirect_uri')], ['authorization_code', `${stage.gateway.origin}/api/callback`]);
    assert.match(form.get('code_verifier'), /^[A-Za-z0-9._~-]{43,128}$/);
    assert.equal(stage.application.requests.length, 1, 'only the decided request arrived');
  });

  it('oidcc-client-test-idtoken-sig-rs256: an ID token signed with RS256 is accepted', async () => {
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
  });

  it('oidcc-client-test-scope-userinfo-claims: claims that only userinfo tells reach the application', async () => {
    stage.provider.lies.claims = ({ email, email_verified, groups, name, preferred_username, ...bare }) => bare;
    const landing = await stage.visitor().signIn('/members');
    assert.equal(landing.status, 200, landing.reason);
    const arrived = await stage.application.only('/members');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-email'), ['user@example.com']);
    assert.deepEqual(headerValues(arrived, 'x-forwarded-groups'), ['oracle-ai-users,staff']);
    assert.match(stage.provider.received.userinfo[0].headers.authorization, /^Bearer access-/);
  });

  it('userinfo that the provider has signed (OpenID Connect Core, section 5.3.2) counts, and what others have signed is refused', async () => {
    stage.provider.lies.claims = ({ email, email_verified, groups, name, preferred_username, ...bare }) => bare;
    const signedBy = (key) => async (_, response) => {
      const claims = { ...stage.provider.user, iss: stage.provider.issuer, aud: stage.provider.clientId };
      answer(response, 200, await sign(claims, { alg: 'RS256', kid: 'rs-1' }, await key), { 'content-type': 'application/jwt' });
    };
    stage.provider.intercept.userinfo = signedBy(makeKey('RS256', 'rs-1'));
    const landing = await stage.visitor().signIn('/members');
    assert.equal(landing.status, 200, landing.reason);
    assert.deepEqual(headerValues(await stage.application.only('/members'), 'x-forwarded-groups'), ['oracle-ai-users,staff']);
    stage.application.forget();
    stage.provider.intercept.userinfo = signedBy(makeKey('RS256', 'a thief'));
    assertRefused(await stage.visitor().signIn('/members'), 502, 'userinfo_malformed');
    assert.deepEqual(stage.application.requests, []);
  });

  it('oidcc-client-test-client-secret-basic: name and secret are form-encoded into Basic, and stay out of the body', async () => {
    const landing = await stage.visitor().signIn('/analytics');
    const [{ client, form }] = stage.provider.received.token;
    assert.deepEqual(client, { method: 'client_secret_basic', id: 'accredit-demo', secret: odd });
    assert.equal(form.has('client_secret'), false);
    assert.equal(landing.status, 200);
  });
});

describe('oidcc-client-test, a provider with a single key', () => {
  const stage = onStage({ prepare: oneKey });

  it('oidcc-client-test-kid-absent-single-jwks: no key named, and only one that can be meant, is accepted', async () => {
    unnamedKey(stage.provider);
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
  });

  it('oidcc-client-test-discovery-openid-config: endpoints are those of the discovery document', async () => {
    await stage.visitor().signIn('/analytics');
    assert.deepEqual(
      ['authorize', 'token'].map((endpoint) => stage.provider.count(endpoint)),
      [1, 1],
    );
  });
});

/** Makes the callback an endpoint that reads a body, as in the configuration reference. The shipped file has the filter for that. */
function withFormPost(bootstrap) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const type = (name) => `type.googleapis.com/envoy.extensions.filters.http.buffer.v3.${name}`;
  manager.route_config.virtual_hosts[0].routes.unshift({
    match: { path: '/api/callback' },
    direct_response: { status: 404 },
    typed_per_filter_config: { 'envoy.filters.http.buffer': { '@type': type('BufferPerRoute'), buffer: { max_request_bytes: 65536 } } },
  });
}
const formPost = (configuration) => void (configuration.providers[0].response_mode = 'form_post');

describe('oidcc-client-test, a provider with several keys', () => {
  const several =
    (...kids) =>
    async (provider) =>
      void (provider.keys = await Promise.all(kids.map((kid) => makeKey('RS256', kid))));

  describe('that are few', () => {
    const stage = onStage({ prepare: several('rs-1', 'rs-2') });

    it('oidcc-client-test-kid-absent-multiple-jwks: no key named, and two that could be meant, are both tried', async () => {
      unnamedKey(stage.provider);
      for (const key of stage.provider.keys) {
        stage.provider.signingKey = key;
        assert.equal((await stage.visitor().signIn('/analytics')).status, 200, key.kid);
      }
    });

    it('no key named, and a signature by none of them, is refused with 502 id_token_signature', async () => {
      unnamedKey(stage.provider);
      forgedSignature(stage.provider);
      assertRefused(await stage.visitor().signIn('/analytics'), 502, 'id_token_signature');
    });
  });

  describe('that are many', () => {
    const stage = onStage({ prepare: several('rs-1', 'rs-2', 'rs-3', 'rs-4', 'rs-5') });

    it('oidcc-client-test-kid-absent-multiple-jwks: no key named, and five that could be meant, is refused with 502 id_token_key_unknown', async () => {
      assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
      unnamedKey(stage.provider);
      stage.provider.forget();
      assertRefused(await stage.visitor().signIn('/analytics'), 502, 'id_token_key_unknown');
      assert.equal(stage.provider.count('keys'), 0, 'no fetch could help');
    });
  });
});

describe('oidcc-client-test, plan form post', () => {
  const plugin = (configuration) => [withUserinfo, formPost].forEach((change) => change(configuration));
  const stage = onStage({ plugin, envoy: withFormPost, prepare: twoKeys });

  for (const [module, what, misbehave, reason] of REJECTED) {
    it(`oidcc-client-test-${module}: ${what} is refused with 502 ${reason}`, async () => {
      misbehave(stage.provider);
      const visitor = stage.visitor();
      const answer = await visitor.signInByForm('/analytics');
      assertRefused(answer, 502, reason);
      assert.equal((await visitor.call('/api/session')).status, 401);
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('oidcc-client-test: the happy path asks for form_post and signs in by the form', async () => {
    const visitor = stage.visitor();
    const landing = await visitor.signInByForm('/analytics?from=here');
    assert.deepEqual(
      landing.trail.map(({ status }) => status),
      [303, 200],
    );
    assert.equal(landing.url.pathname + landing.url.search, '/analytics?from=here');
    const [asked] = stage.provider.received.authorize;
    assert.deepEqual(
      ['response_type', 'response_mode'].map((name) => asked.query.get(name)),
      ['code', 'form_post'],
    );
    assert.equal(sessionCookies(landing.trail[0])[0].attributes.samesite, 'Lax');
    assert.equal((await visitor.call('/api/session')).status, 200);
    assert.equal(stage.application.requests.length, 1, 'only the decided request arrived');
  });

  it('oidcc-client-test-idtoken-sig-rs256: an ID token signed with RS256 is accepted', async () => {
    assert.equal((await stage.visitor().signInByForm('/analytics')).status, 200);
  });

  it('oidcc-client-test-kid-absent-multiple-jwks: no key named, and two that could be meant, are both tried', async () => {
    unnamedKey(stage.provider);
    for (const key of stage.provider.keys) {
      stage.provider.signingKey = key;
      assert.equal((await stage.visitor().signInByForm('/analytics')).status, 200, key.kid);
    }
  });

  it('oidcc-client-test-scope-userinfo-claims: claims that only userinfo tells reach the application', async () => {
    stage.provider.lies.claims = ({ email, email_verified, groups, name, preferred_username, ...bare }) => bare;
    assert.equal((await stage.visitor().signInByForm('/members')).status, 200);
    const arrived = await stage.application.only('/members');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-groups'), ['oracle-ai-users,staff']);
  });

  it('oidcc-client-test-client-secret-basic: name and secret are form-encoded into Basic, and stay out of the body', async () => {
    assert.equal((await stage.visitor().signInByForm('/analytics')).status, 200);
    const [{ client, form }] = stage.provider.received.token;
    assert.deepEqual([client, form.has('client_secret')], [{ method: 'client_secret_basic', id: 'accredit-demo', secret: odd }, false]);
  });

  it('a form that is posted again, or in another browser, or without the cookie, gives no further session', async () => {
    const visitor = stage.visitor();
    const form = await visitor.follow(await visitor.open('/analytics'));
    const thief = stage.visitor();
    const stolen = stage.visitor();
    stolen.jar = visitor.jar.clone();
    assertRefused(await thief.signInByForm('/', form), 400, 'attempt_missing');
    assert.equal((await visitor.signInByForm('/', form)).status, 200);
    const [told] = (await stolen.signInByForm('/', form)).trail;
    assert.deepEqual([told.status, told.location.pathname, told.cookies], [303, '/analytics', []]);
    assert.equal(stolen.jar.names('localhost').includes('__Host-accredit'), false, 'a form that is posted again signs nobody in');
    const [again] = (await visitor.signInByForm('/', form)).trail;
    assert.deepEqual([again.status, again.location.pathname, again.cookies], [303, '/analytics', []]);
    assert.equal((await visitor.call('/api/session')).status, 200, 'the session that the form does not show stays');
    assert.equal(stage.provider.count('token'), 1);
  });

  it('a code in the address is refused with 400 response_mode_mismatch', async () => {
    const visitor = stage.visitor();
    const form = await visitor.follow(await visitor.open('/analytics'));
    const state = /name="state" value="([^"]+)"/.exec(form.body)[1];
    assertRefused(await visitor.open(`/api/callback?code=x&state=${state}`), 400, 'response_mode_mismatch');
    assert.equal(stage.provider.count('token'), 0);
  });
});

describe('oidcc-client-test, a single key, by form', () => {
  const stage = onStage({ plugin: formPost, envoy: withFormPost, prepare: oneKey });

  it('oidcc-client-test-kid-absent-single-jwks: no key named, and only one that can be meant, is accepted', async () => {
    unnamedKey(stage.provider);
    assert.equal((await stage.visitor().signInByForm('/analytics')).status, 200);
  });
});
