// Opaque tokens in a real Envoy, with introspection (RFC 7662) at a provider that misbehaves, and at a certified one.
//
// Unit tests show what each answer means. Here it is shown that a request waits with its body, that nothing reaches the application before or without the
// provider's answer, and what programs get while the provider is down, slow or gives strange answers.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { Visitor } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { answer, now, sign } from './lib/misbehaving.mjs';
import { ROOT, eventually } from './lib/process.mjs';
import { assertNoPanic, assertProblem, onStage } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const rules = [
  { match: { path_separated_prefix: '/public' }, require: 'public' },
  { match: { path_separated_prefix: '/hooks' }, require: { bearer: 'demo', scope: ['hooks:write'] } },
];
const accept = (introspection) => (configuration) => {
  configuration.providers[0].bearer = { audiences: ['orders'], introspection };
  configuration.providers[0].timeout = '1s';
  configuration.rules = rules;
};

describe('a token that only its provider can read', () => {
  const stage = onStage({
    plugin: accept({}),
    prepare: (provider) => void provider.opaqueTokens.set('good', { sub: 'robot', aud: 'orders', scope: 'hooks:write', groups: ['staff'] }),
  });
  let next = 0;
  /** A new token, about which the provider says this. */
  const fresh = (changes = {}) => {
    const token = `opaque-${(next += 1)}`;
    stage.provider.opaqueTokens.set(token, { sub: 'robot', aud: 'orders', scope: 'hooks:write', groups: ['staff'], ...changes });
    return token;
  };
  const send = (token, path = '/hooks', more = {}) =>
    stage.visitor().call(path, { method: 'POST', body: 'x', ...more, headers: { authorization: `Bearer ${token}`, ...more.headers } });

  it('identifies the client; the request is forwarded with its whole body and without the token', async () => {
    const token = fresh();
    const body = 'x'.repeat(300_000);
    assert.equal((await send(token, '/hooks', { body, headers: { 'x-forwarded-user': 'root' } })).status, 200);
    const arrived = await stage.application.only('/hooks');
    assert.deepEqual(
      [arrived.headers['x-forwarded-user'], arrived.headers['x-forwarded-groups'], arrived.headers.authorization, arrived.body.length],
      ['robot', 'staff', undefined, body.length],
    );
    const [asked] = stage.provider.received.introspection;
    assert.deepEqual(
      [asked.method, asked.client.method, asked.form.get('token'), asked.form.get('token_type_hint'), asked.query.size],
      ['POST', 'client_secret_basic', token, 'access_token', 0],
    );
  });

  it('is asked about only once, whether it is valid or not', async () => {
    const token = fresh();
    for (let i = 0; i < 5; i += 1) assert.equal((await send(token)).status, 200);
    for (let i = 0; i < 5; i += 1) assertProblem(await send('nobody-s'), 401, 'token_invalid');
    assert.equal(stage.provider.count('introspection'), 2);
    assert.ok((await stage.gateway.counter('accredit_introspection_good')) >= 1 && (await stage.gateway.counter('accredit_introspection_bad')) >= 1);
  });

  for (const [what, status, reason, changes] of [
    ['nobody knows', 401, 'token_invalid', { active: false }],
    ['is for nobody in particular', 401, 'token_invalid', { aud: undefined }],
    ['is for somebody else', 401, 'token_invalid', { aud: 'other' }],
    ["is another issuer's", 401, 'token_invalid', { iss: 'https://evil.example' }],
    ['has expired', 401, 'token_expired', { exp: now() - 3_600 }],
    ['is not valid yet', 401, 'token_invalid', { nbf: now() + 3_600 }],
    ['is bound to a key', 401, 'token_invalid', { cnf: { jkt: 'x' } }],
    ['is of another type', 401, 'token_invalid', { token_type: 'DPoP' }],
    ['is a refresh token', 401, 'token_invalid', { token_use: 'refresh_token' }],
    ['has no subject and no client', 401, 'token_invalid', { sub: undefined }],
    ['lacks the scope', 403, 'scope_missing', { scope: 'hooks:read' }],
  ]) {
    it(`that ${what}: ${status} ${reason}`, async () => {
      const refused = await send(fresh(changes));
      assertProblem(refused, status, reason);
      assert.match(refused.headers['www-authenticate'], /^Bearer realm="http:\/\/localhost/);
      assert.deepEqual(stage.application.requests, []);
    });
  }

  for (const [what, misbehave] of [
    ['accepts no connection', (provider) => provider.refuse()],
    ['does not answer in time', (provider) => void (provider.delay.introspection = 2_000)],
    ['answers 500', (provider) => void (provider.intercept.introspection = (_, response) => answer(response, 500, { active: true }))],
    ['does not accept our client', (provider) => void (provider.clientSecret = 'another')],
    [
      'answers with a page',
      (provider) => void (provider.intercept.introspection = (_, response) => answer(response, 200, '<html>', { 'content-type': 'text/html' })),
    ],
    ['says active as a text', (provider) => void (provider.lies.introspection = (truth) => ({ ...truth, active: 'true' }))],
    [
      'says active twice',
      (provider) => void (provider.intercept.introspection = (_, response) => answer(response, 200, '{"active":false,"active":true,"aud":"orders","sub":"x"}')),
    ],
    [
      'signs its answer',
      (provider) =>
        void (provider.intercept.introspection = (_, response) => answer(response, 200, 'a.b.c', { 'content-type': 'application/token-introspection+jwt' })),
    ],
  ]) {
    it(`is neither accepted nor refused while its provider ${what}: 503, and accepted afterwards`, async () => {
      const token = fresh();
      const { clientSecret } = stage.provider;
      await misbehave(stage.provider);
      const refused = await send(token);
      assertProblem(refused, 503, 'introspection_unavailable');
      assert.deepEqual([refused.headers['retry-after'], refused.headers['www-authenticate']], ['5', undefined]);
      const open = await send(token, '/public');
      assert.deepEqual([open.status, (await stage.application.only('/public')).headers['x-forwarded-user']], [200, undefined]);
      assert.deepEqual(stage.application.arrived('/hooks'), []);
      Object.assign(stage.provider, { clientSecret, lies: {}, intercept: {}, delay: {} });
      if (!stage.provider.server.listening) await stage.provider.accept();
      assert.equal((await send(token)).status, 200);
    });
  }

  it('is asked about on public pages too, where every request passes', async () => {
    const token = fresh();
    await send(token, '/public');
    await send('nobody-s', '/public/2');
    assert.equal((await stage.application.only('/public')).headers['x-forwarded-user'], 'robot');
    const anonymous = (await stage.application.only('/public/2')).headers;
    assert.deepEqual([anonymous['x-forwarded-user'], anonymous.authorization], [undefined, undefined]);
  });

  it('is not a JWT: those are verified locally, and those of unknown issuers are sent to nobody', async () => {
    const [key] = stage.provider.keys;
    const jwt = (iss) => sign({ iss, sub: 'robot', aud: 'orders', exp: now() + 300, scope: 'hooks:write' }, { alg: 'RS256', kid: key.kid }, key);
    assert.equal((await send(await jwt(stage.provider.issuer))).status, 200);
    assertProblem(await send(await jwt('https://other.example')), 401, 'token_invalid');
    assertProblem(await send('x'.repeat(20_000)), 401, 'token_invalid');
    assert.equal(stage.provider.count('introspection'), 0);
  });

  it('counts towards a limit: with 64 introspections under way, others get 503; when a client leaves, its place is free again', async () => {
    const held = [];
    stage.provider.intercept.introspection = (_, response) => void held.push(response);
    const options = { host: '127.0.0.1', port: stage.gateway.port, path: '/hooks', agent: false };
    const statuses = [];
    const requests = Array.from({ length: 64 }, (_, i) => {
      const request = http.get({ ...options, headers: { host: stage.gateway.host, authorization: `Bearer held-${i}` } }, (response) => {
        statuses.push(response.statusCode);
        response.resume();
      });
      return request.on('error', () => {});
    });
    await eventually('all of them are asked about', () => held.length === 64);
    assertProblem(await send('one-more'), 503, 'introspection_unavailable');
    requests[0].destroy();
    stage.provider.intercept.introspection = undefined;
    const token = fresh();
    await eventually('there is a place again', async () => (await send(token)).status === 200);
    for (const response of held) answer(response, 200, { active: false });
    await eventually('all the others are answered', () => statuses.length === 63);
    assert.deepEqual([...new Set(statuses)], [401]);
  });
});

describe('with introspection of every token', () => {
  const stage = onStage({ plugin: accept({ when: 'always', cache: 0 }) });
  it('a JWT must be valid, and its provider must confirm it', async () => {
    const [key] = stage.provider.keys;
    const jwt = await sign(
      { iss: stage.provider.issuer, sub: 'robot', aud: 'orders', exp: now() + 300, scope: 'hooks:write' },
      { alg: 'RS256', kid: key.kid },
      key,
    );
    const send = (token) => stage.visitor().call('/hooks', { headers: { authorization: `Bearer ${token}` } });
    stage.provider.opaqueTokens.set(jwt, {});
    assert.equal((await send(jwt)).status, 200);
    stage.provider.opaqueTokens.delete(jwt);
    assertProblem(await send(jwt), 401, 'token_invalid');
    const forged = `${jwt.slice(0, -8)}AAAAAAAA`;
    stage.provider.opaqueTokens.set(forged, { sub: 'robot', aud: 'orders' });
    assertProblem(await send(forged), 401, 'token_invalid');
    assert.equal(stage.provider.count('introspection'), 2);
  });
});

describe('with a provider that says neither for whom a token is, nor of which type, nor whose by sub', () => {
  const assume = { audience: 'orders', token_type: 'Bearer' };
  const stage = onStage({ plugin: accept({ cache: 0, assume, client_ids: ['portal'], subject: 'username' }) });
  const bare = { iss: undefined, token_type: undefined, scope: 'hooks:write', client_id: 'portal', username: 'ann' };
  const send = () => stage.visitor().call('/hooks', { method: 'POST', body: 'x', headers: { authorization: 'Bearer opaque' } });

  it("a listed client's token is accepted, and its person is not the one who has that name as sub", async () => {
    stage.provider.opaqueTokens.set('opaque', bare);
    const accepted = await send();
    assert.equal(accepted.status, 200, accepted.reason);
    assert.equal((await stage.application.only('/hooks')).headers['x-forwarded-user'], 'username:ann');
  });

  for (const [what, changes] of [
    ['of another client', { client_id: 'other' }],
    ['of no client', { client_id: undefined }],
    ['for somebody else', { aud: 'other' }],
    ['of another type', { token_type: 'refresh_token' }],
    ['of somebody with a reserved name', { sub: 'username:ann' }],
  ]) {
    it(`a token ${what} is refused`, async () => {
      stage.provider.opaqueTokens.set('opaque', { ...bare, ...changes });
      assertProblem(await send(), 401, 'token_invalid');
      assert.deepEqual(stage.application.requests, []);
    });
  }
});

describe('with a certified provider', () => {
  const SECRET = 'demo-secret';
  const AUDIENCE = 'urn:example:orders';
  const machine = { client_id: 'machine', client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
  const stage = {};
  before(async () => {
    const { startProvider, demoClient } = await import(pathToFileURL(join(ROOT, 'deploy/demo/provider.mjs')));
    const getResourceServerInfo = (_, audience) => ({ audience, scope: 'hooks:write hooks:read', accessTokenFormat: 'opaque', accessTokenTTL: 600 });
    const features = {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo, useGrantedResource: () => true },
    };
    stage.provider = await startProvider({
      port: 0,
      clients: [demoClient(SECRET), machine],
      configuration: { features, scopes: ['openid', 'profile', 'email', 'groups', 'hooks:write', 'hooks:read'] },
    });
    stage.application = await Application.start();
    const plugin = (configuration) => {
      configuration.providers[0].bearer = { audiences: [AUDIENCE], introspection: { cache: 0 } };
      configuration.rules = rules;
    };
    const provider = { issuer: stage.provider.issuer, port: Number(new URL(stage.provider.issuer).port), clientSecret: SECRET };
    stage.gateway = await startGateway({ provider, application: stage.application, plugin });
  });
  beforeEach(() => stage.application.forget());
  after(async () => {
    await stage.gateway?.stop();
    await stage.provider?.close();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });

  const ask = async (path, form) => {
    const authorization = `Basic ${Buffer.from('machine:machine-secret').toString('base64')}`;
    const response = await fetch(`${stage.provider.issuer}${path}`, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return text ? JSON.parse(text) : {};
  };
  const obtain = async (changes = {}) =>
    (await ask('/token', { grant_type: 'client_credentials', scope: 'hooks:write', resource: AUDIENCE, ...changes })).access_token;
  const send = (token) => new Visitor(stage.gateway).call('/hooks', { method: 'POST', body: 'x', headers: { authorization: `Bearer ${token}` } });

  it('an opaque token of a program is accepted for its audience and scope until it is withdrawn', async () => {
    const token = await obtain();
    assert.ok(!token.includes('.'), 'this provider issued a JWT');
    const accepted = await send(token);
    assert.equal(accepted.status, 200, accepted.reason);
    assert.equal((await stage.application.only('/hooks')).headers['x-forwarded-user'], 'client:machine');
    const line = await eventually('the access log has the request', () => stage.gateway.accessLog().findLast(({ path }) => path === '/hooks'));
    assert.equal(line.subject, 'client:machine');
    await ask('/token/revocation', { token, token_type_hint: 'access_token' });
    assertProblem(await send(token), 401, 'token_invalid');
  });

  it('tokens for another resource, with another scope, and invented ones are refused', async () => {
    assertProblem(await send(await obtain({ resource: 'urn:example:other' })), 401, 'token_invalid');
    assertProblem(await send(await obtain({ scope: 'hooks:read' })), 403, 'scope_missing');
    assertProblem(await send('A'.repeat(43)), 401, 'token_invalid');
    assert.deepEqual(stage.application.requests, []);
  });
});
