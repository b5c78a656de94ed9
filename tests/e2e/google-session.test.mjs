// envoy/google-session.yaml as shipped: a public home page, sign-in at a provider whose endpoints are on several hosts, and a session that applications can
// read.
//
// Only the ports and hosts of the file are changed. The provider is certified, and only its userinfo endpoint has claims about people. The session is read with
// a JWT library that knows nothing about the gateway.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { SignJWT, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { Visitor } from './lib/client.mjs';
import { signInAs, startGoogleLikeProvider } from './lib/demo.mjs';
import { namesOf, pointCluster, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/process.mjs';
import { assertNoPanic, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const IDENTITY = ['x-forwarded-user', 'x-forwarded-email', 'x-forwarded-name', 'x-forwarded-picture'];
const ALICE = ['alice', 'alice@example.com', 'Alice Adams', 'https://pictures.example.com/alice.png'];

let provider, application, gateway, alice;
const NAMES = namesOf('google-session');
const secret = () => new TextEncoder().encode(gateway.jwtSecret);
const sessionOf = (visitor) => visitor.jar.matching('localhost', '/').find(({ name }) => name === 'access_token')?.value;
const verified = (token) => jwtVerify(token, secret(), { algorithms: ['HS256'], typ: 'JWT', issuer: NAMES.iss, audience: NAMES.aud });
const signed = (claims, { key = secret(), header = {} } = {}) =>
  new SignJWT({ ...NAMES, origin: gateway.origin, ...claims }).setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...header }).sign(key);
const seconds = () => Math.floor(Date.now() / 1000);

/** A visitor who sends this value as session cookie. */
function bringing(...values) {
  const visitor = new Visitor(gateway);
  const headers = { cookie: values.map((value) => `access_token=${value}`).join('; ') };
  return { call: (path) => visitor.call(path, { headers }), open: (path) => visitor.open(path, { headers }) };
}

/** Starts the shipped file at this port, with these changes of its configuration. */
const start = (port, change = () => {}) =>
  startGateway({
    scenario: 'google-session',
    port,
    provider,
    application,
    plugin: (configuration) => {
      for (const { authority, cluster } of provider.hosts) configuration.providers[0].clusters[authority] = cluster;
      change(configuration);
    },
    envoy: (bootstrap) => {
      const { clusters } = bootstrap.static_resources;
      const like = clusters.find(({ name }) => name === 'provider');
      for (const { cluster, port: at } of provider.hosts) {
        clusters.push({ ...structuredClone(like), name: cluster, load_assignment: { ...structuredClone(like.load_assignment), cluster_name: cluster } });
        pointCluster(bootstrap, cluster, at);
      }
    },
  });

before(async () => {
  const port = await freePort();
  provider = await startGoogleLikeProvider(`http://localhost:${port}`);
  application = await Application.start();
  gateway = await start(port);
  alice = await signInAs(gateway, 'alice', { path: '/auth/login' });
});
beforeEach(() => application.forget());
after(async () => {
  for (const part of [gateway, provider, application]) await part?.stop();
  if (gateway) assertNoPanic(gateway);
});

describe('GET /auth/login and /auth/callback', () => {
  it('sends the browser to the authorization endpoint with state, nonce and PKCE', async () => {
    const answer = await new Visitor(gateway).open('/auth/login');
    assert.equal(answer.status, 302);
    const { origin, searchParams: query } = answer.location;
    assert.deepEqual(
      [origin, query.get('response_type'), query.get('scope'), query.get('code_challenge_method')],
      [provider.issuer, 'code', 'openid email profile', 'S256'],
    );
    assert.equal(query.get('redirect_uri'), `${gateway.origin}/auth/callback`);
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(query.get(name).length >= 43, name);
    assert.deepEqual(
      answer.cookies.map(({ name }) => name.replace(/-[\w-]{8}$/, '')),
      ['__Host-access_token-attempt'],
    );
  });

  it('sets the session JWT in one cookie for an hour, and redirects to the home page', async () => {
    const callback = alice.landing.trail.at(-2);
    assert.deepEqual([callback.status, callback.location.pathname, alice.landing.status], [303, '/', 200]);
    const [cookie] = callback.cookies.filter(({ name, expires }) => name === 'access_token' && expires > Date.now());
    const { path, httponly, secure: isSecure, samesite, domain } = cookie.attributes;
    assert.deepEqual(
      [path, httponly, isSecure, samesite, domain, cookie.attributes['max-age']],
      ['/', true, undefined, 'Lax', undefined, '3600'],
      'Secure is for https: this is loopback',
    );
    assert.match(callback.headers['cache-control'], /no-store/);
    const [left, ...more] = callback.cookies.filter(({ name }) => name !== 'access_token');
    assert.deepEqual([left.attributes['max-age'], more], ['120', []], 'of the attempt only its place is left, for two minutes');
    const { payload, protectedHeader } = await verified(cookie.value);
    assert.deepEqual(protectedHeader, { alg: 'HS256', typ: 'JWT' });
    const { iat, exp, ...claims } = payload;
    assert.deepEqual(claims, { ...NAMES, origin: gateway.origin, sub: 'alice', email: ALICE[1], email_verified: true, name: ALICE[2], picture: ALICE[3] });
    assert.equal(exp - iat, 3600);
  });

  it('goes back to where the visit began', async () => {
    const visitor = await signInAs(gateway, 'bob', { path: '/account?tab=2' });
    assert.deepEqual([visitor.landing.status, visitor.landing.url.pathname, visitor.landing.url.search], [200, '/account', '?tab=2']);
  });

  it('refuses a response that belongs to no sign-in of this browser', async () => {
    const callback = alice.landing.trail.at(-2).url;
    assertRefused(await new Visitor(gateway).open(callback.pathname + callback.search), 400, 'attempt_missing');
  });
});

describe('GET / is public', () => {
  it('shows who is signed in, and forwards the session to the application', async () => {
    await alice.open('/');
    const arrived = await application.only('/');
    assert.deepEqual(
      IDENTITY.flatMap((name) => headerValues(arrived, name)),
      ALICE,
    );
    assert.deepEqual(headerValues(arrived, 'cookie'), [`access_token=${sessionOf(alice)}`]);
    assert.equal((await verified(arrived.headers.cookie.split('=')[1])).payload.sub, 'alice');
  });

  for (const [what, value] of [
    ['missing', async () => undefined],
    ['expired', () => signed({ sub: 'alice', iat: seconds() - 3601, exp: seconds() - 1 })],
    ['signed by somebody else', () => signed({ sub: 'alice', exp: seconds() + 60 }, { key: Buffer.alloc(48, 7) })],
    [
      'signed by nobody',
      async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"alice","exp":9999999999}').toString('base64url')}.`,
    ],
    ['one that never ends', () => signed({ sub: 'alice' })],
    [
      'changed in its claims',
      async () => sessionOf(alice).replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ sub: 'root', exp: seconds() + 60 })).toString('base64url')}.`),
    ],
    ['junk', async () => 'x'.repeat(5000)],
  ]) {
    it(`also to a visitor whose session is ${what}, who has no identity there, and gets 401 on protected pages`, async () => {
      const brought = await value();
      const visitor = brought === undefined ? new Visitor(gateway) : bringing(brought);
      assert.equal((await visitor.open('/')).status, 200);
      const arrived = await application.only('/');
      assert.deepEqual(
        [...IDENTITY, 'cookie'].flatMap((name) => headerValues(arrived, name)),
        [],
      );
      application.forget();
      const reason = { missing: 'session_missing', expired: 'session_expired' }[what] ?? 'session_invalid';
      for (const path of ['/api/user', '/api/protected']) assertProblem(await visitor.call(path), 401, reason);
      assert.deepEqual(application.requests, []);
    });
  }
});

describe('the session', () => {
  it('is shown to pages by /api/user', async () => {
    const { iat, iss, aud, origin, ...told } = (await verified(sessionOf(alice))).payload;
    assert.ok(iat && iss && aud && origin);
    assert.deepEqual((await alice.call('/api/user')).json(), told);
  });

  it('opens /api/protected, and its identity is in the headers', async () => {
    assert.equal((await alice.call('/api/protected')).status, 200);
    const arrived = await application.only('/api/protected');
    assert.deepEqual(
      IDENTITY.flatMap((name) => headerValues(arrived, name)),
      ALICE,
    );
  });

  it('may come from another service that shares the secret', async () => {
    const carol = { sub: 'carol', email: 'carol@example.com', email_verified: true, exp: seconds() + 60 };
    const other = bringing(await signed(carol, { header: { typ: undefined } }));
    assert.equal((await other.call('/api/protected')).status, 200);
    assert.deepEqual(
      IDENTITY.flatMap((name) => headerValues(application.requests[0], name)),
      ['carol', 'carol@example.com'],
    );
    // A session without origin, or with another one: from another service, or from another gateway with the same secret.
    for (const origin of [undefined, 'http://localhost:1'])
      assertProblem(await bringing(await signed({ ...carol, origin })).call('/api/protected'), 401, 'session_invalid');
  });

  it('is not accepted as a bearer token', async () => {
    const answer = await new Visitor(gateway).call('/api/protected', { headers: { authorization: `Bearer ${sessionOf(alice)}` } });
    assertProblem(answer, 401, 'session_missing');
  });

  it('is not accepted from two different cookies, and there is no redirect loop', async () => {
    const planted = bringing(await signed({ sub: 'mallory', exp: seconds() + 60 }), sessionOf(alice));
    for (const answer of [await planted.call('/api/protected'), await planted.open('/account')]) assertRefused(answer, 401, 'session_ambiguous');
    assert.equal((await planted.open('/')).status, 200);
    assert.deepEqual(
      [...IDENTITY, 'cookie'].flatMap((name) => headerValues(application.requests[0], name)),
      [],
    );
  });

  it('is signed with the bytes of the secret as written', () => {
    const [header, payload] = sessionOf(alice).split('.');
    const signature = createHmac('sha256', gateway.jwtSecret).update(`${header}.${payload}`).digest('base64url');
    assert.equal(sessionOf(alice), `${header}.${payload}.${signature}`);
  });
});

describe('GET /auth/logout, from a page of the application', () => {
  it('deletes the cookie, ends the session here, and redirects to the home page', async () => {
    const visitor = await signInAs(gateway, 'bob', { path: '/account' });
    const token = sessionOf(visitor);
    const answer = await visitor.open('/auth/logout', { headers: { 'sec-fetch-site': 'same-origin' } });
    assert.deepEqual([answer.status, answer.location.pathname], [303, '/']);
    assert.deepEqual(
      answer.cookies.map(({ name, value, attributes }) => [name, value, attributes['max-age'], attributes.path]),
      [['access_token', '', '0', '/']],
    );
    assert.equal(sessionOf(visitor), undefined);
    assertProblem(await bringing(token).call('/api/user'), 401, 'session_expired');
  });

  it('is refused to another site', async () => {
    assertRefused(await alice.open('/auth/logout', { headers: { 'sec-fetch-site': 'cross-site' } }), 403, 'sign_out_unconfirmed');
    assert.equal((await alice.call('/api/user')).status, 200);
  });
});

describe('POST /auth/security_events, with a transmitter in the configuration', () => {
  const ISSUER = 'https://transmitter.example.com/';
  const EVENT = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
  let listening, keys;
  before(async () => {
    keys = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] };
    listening = await start(await freePort(), (configuration) => {
      configuration.endpoints.security_events = '/auth/security_events';
      configuration.transmitters = [{ issuer: ISSUER, jwks, providers: ['google'] }];
    });
  });
  after(() => listening?.stop());

  const post = (body) =>
    new Visitor(listening).send('/auth/security_events', { method: 'POST', headers: { 'content-type': 'application/secevent+jwt' }, body });

  it('reads a body by the route and the buffer of the file, and ends what it names', async () => {
    const token = await new SignJWT({
      iss: ISSUER,
      aud: 'accredit-demo',
      jti: '1',
      iat: seconds(),
      sub_id: { format: 'iss_sub', iss: provider.issuer, sub: 'alice' },
      events: { [EVENT]: {} },
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'secevent+jwt' })
      .sign(keys.privateKey);
    const answer = await post(token);
    assert.equal(answer.status, 202, answer.body);
    const [line] = listening.auditLog().filter(({ event }) => event === 'security_event');
    assert.equal(line.subject, 'alice', JSON.stringify(line));
  });

  it('reads up to 64 KiB', async () => {
    assert.deepEqual([(await post('x'.repeat(65_536))).status, (await post('x'.repeat(65_537))).status], [400, 413]);
  });
});
