// Tokens of its own for the application, in a real Envoy: by token exchange (RFC 8693) and by client credentials, at a provider that misbehaves, and at a
// certified one.
//
// Unit tests show what each answer means. Here it is shown what arrives at the application, that requests of one worker wait for one call, and that nothing
// arrives without the provider's answer.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { demoClient, signInAs, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { answer, now, sign } from './lib/misbehaving.mjs';
import { ROOT, eventually, freePort } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertProblem, onStage } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const rule = (path, forward) => ({ match: { path_separated_prefix: path }, require: 'authenticated', unauthenticated: 'respond', forward });

describe('a rule whose application gets a token of its own', () => {
  const stage = onStage({
    plugin: (configuration) => {
      configuration.providers[0].bearer = { audiences: ['orders'] };
      configuration.providers[0].timeout = '1s';
      configuration.forward = { access_token: true };
      configuration.rules = [
        rule('/notes', { token_exchange: { audience: 'notes', scope: ['notes:read'] } }),
        rule('/own', { client_credentials: { resource: 'https://own.example.com/' } }),
        { match: { path_separated_prefix: '/plain' }, require: 'authenticated' },
      ];
    },
    prepare: (provider) => {
      provider.intercept.token = (_, response, received) => {
        if (![EXCHANGE, 'client_credentials'].includes(received.form.get('grant_type'))) return provider._token(response, received);
        provider.exchanged = [...(provider.exchanged ?? []), received.form];
        return provider.exchanging(response, received.form);
      };
      provider.exchanged = [];
      provider.exchanging = (response, form) => answer(response, 200, issued(provider, form));
    },
  });
  const issued = (provider, form) => ({
    access_token: `for-the-application-${provider.exchanged.length}`,
    ...(form.get('grant_type') === EXCHANGE && { issued_token_type: ACCESS_TOKEN }),
    token_type: 'Bearer',
    expires_in: 300,
  });
  let next = 0;
  /** A new token of a client. */
  const fresh = async (changes = {}) => {
    const [key] = stage.provider.keys;
    const claims = { iss: stage.provider.issuer, sub: 'robot', aud: 'orders', exp: now() + 300, jti: String((next += 1)), ...changes };
    return sign(claims, { alg: 'RS256', kid: key.kid }, key);
  };
  const send = (token, path = '/notes', more = {}) =>
    stage.visitor().call(path, { method: 'POST', body: 'x', ...more, headers: { authorization: `Bearer ${token}`, ...more.headers } });

  it('brings it in the place of the bearer token, with the whole body', async () => {
    const token = await fresh();
    const body = 'x'.repeat(300_000);
    assert.equal((await send(token, '/notes', { body })).status, 200);
    const arrived = await stage.application.only('/notes');
    assert.deepEqual(headerValues(arrived, 'authorization'), ['Bearer for-the-application-1']);
    assert.equal(arrived.body.length, body.length);
    assert.ok(!JSON.stringify(arrived.rawHeaders).includes(token));
    assert.deepEqual(Object.fromEntries(stage.provider.exchanged[0]), {
      grant_type: EXCHANGE,
      subject_token: token,
      subject_token_type: ACCESS_TOKEN,
      requested_token_type: ACCESS_TOKEN,
      audience: 'notes',
      scope: 'notes:read',
    });
    // Again, from memory; and another token, for itself.
    for (const [again, calls] of [
      [token, 1],
      [await fresh(), 2],
    ]) {
      assert.equal((await send(again)).status, 200);
      assert.equal(stage.provider.exchanged.length, calls);
    }
    assert.ok((await stage.gateway.counter('accredit_upstream_token_ok')) >= 2);
    assertNotTold(stage.gateway, [token, 'for-the-application-1']);
  });

  it("brings it in the place of the session's token, which no other field has", async () => {
    const visitor = await stage.signedIn();
    await visitor.open('/plain');
    const [kept] = headerValues(await stage.application.only('/plain'), 'x-forwarded-access-token');
    assert.match(kept, /^access-/);
    assert.equal((await visitor.call('/notes')).status, 200);
    const arrived = await stage.application.only('/notes');
    assert.deepEqual(headerValues(arrived, 'authorization'), ['Bearer for-the-application-1']);
    assert.ok(!JSON.stringify(arrived.rawHeaders).includes(kept));
    assert.equal(stage.provider.exchanged[0].get('subject_token'), kept);
  });

  it('asks for a token of our client without showing anybody else', async () => {
    assert.equal((await send(await fresh(), '/own')).status, 200);
    assert.match(headerValues(await stage.application.only('/own'), 'authorization')[0], /^Bearer for-the-application-/);
    assert.deepEqual(Object.fromEntries(stage.provider.exchanged[0]), { grant_type: 'client_credentials', resource: 'https://own.example.com/' });
  });

  it('lets requests with the same token wait for one call, and nothing arrives before its answer', async () => {
    const token = await fresh();
    const held = [];
    stage.provider.exchanging = (response, form) => held.push([response, form]);
    const answers = Promise.all(Array.from({ length: 20 }, () => send(token)));
    await eventually('the provider is asked', () => held.length === 1);
    assert.deepEqual(stage.application.requests, []);
    for (const [response, form] of held) answer(response, 200, issued(stage.provider, form));
    const statuses = (await answers).map(({ status }) => status);
    assert.deepEqual([...new Set(statuses)], [200]);
    const lines = stage.application.arrived('/notes').map((arrived) => headerValues(arrived, 'authorization').join());
    assert.deepEqual([lines.length, ...new Set(lines)], [20, 'Bearer for-the-application-1']);
    assert.equal(stage.provider.exchanged.length, 1);
  });

  it('answers 403 if the provider refuses, and the log has its words', async () => {
    const token = await fresh();
    stage.provider.exchanging = (response) => answer(response, 400, { error: 'invalid_target', error_description: `not for\n${token}` });
    assertProblem(await send(token), 403, 'upstream_token_refused');
    assertProblem(await send(token), 403, 'upstream_token_refused');
    assert.equal(stage.provider.exchanged.length, 1, 'it is asked once');
    const line = await eventually('the refusal is told', () => stage.gateway.auditLog().findLast(({ reason }) => reason === 'upstream_token_refused'));
    assert.match(line.detail, /error "invalid_target"/);
    assertNotTold(stage.gateway, [token]);
    assert.deepEqual(stage.application.requests, []);
  });

  for (const [what, exchanging] of [
    ['fails', (response) => answer(response, 500, {})],
    ['is too slow', () => {}],
    ['closes the connection', (response) => response.destroy()],
    [
      'issues another type',
      (response, form) => answer(response, 200, { ...issued(stage.provider, form), issued_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
    ],
    ['allows more', (response, form) => answer(response, 200, { ...issued(stage.provider, form), scope: 'notes:read notes:delete' })],
    ['gives the same token back', (response, form) => answer(response, 200, { ...issued(stage.provider, form), access_token: form.get('subject_token') })],
  ])
    it(`answers 503 if the provider ${what}, and the application sees nothing`, async () => {
      stage.provider.exchanging = exchanging;
      const refused = await send(await fresh());
      assertProblem(refused, 503, 'upstream_token_unavailable');
      assert.equal(refused.headers['retry-after'], '5');
      assert.deepEqual(stage.application.requests, []);
    });
});

describe('with a certified provider', () => {
  const NOTES = 'urn:example:notes';
  const stage = {};
  before(async () => {
    const port = await freePort();
    const { errors } = await import(pathToFileURL(join(ROOT, 'deploy/demo/node_modules/oidc-provider/lib/index.js')));
    const client = { ...(await demoClient(`http://localhost:${port}`)), grant_types: ['authorization_code', 'refresh_token', EXCHANGE] };
    const configuration = { scopes: ['openid', 'profile', 'email', 'groups', 'notes:read'] };
    stage.provider = await startDemoProvider(`http://localhost:${port}`, { clients: [client], configuration });
    const { provider } = stage.provider;
    const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope'];
    // RFC 8693, at a provider whose grant types can be extended: the person stays the same, the audience becomes the requested one.
    const exchange = async (ctx) => {
      const { subject_token: shown, subject_token_type: type, audience, scope } = ctx.oidc.params;
      const subject = await provider.AccessToken.find(shown);
      if (type !== ACCESS_TOKEN || !subject?.isValid) throw new errors.InvalidRequest('the subject token is not valid');
      if (subject.accountId === 'bob') throw new errors.InvalidTarget('bob has no notes');
      const token = new provider.AccessToken({ accountId: subject.accountId, client: ctx.oidc.client, grantId: subject.grantId, gty: 'token_exchange', scope });
      token.resourceServer = new provider.ResourceServer(audience, {
        audience,
        scope,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      });
      ctx.body = { access_token: await token.save(), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: token.expiration, scope: token.scope };
    };
    provider.registerGrantType(EXCHANGE, exchange, parameters);
    stage.application = await Application.start();
    const plugin = (configuration) => {
      configuration.forward = { access_token: true };
      configuration.rules = [rule('/notes', { token_exchange: { audience: NOTES, scope: ['notes:read'] } }), { require: 'authenticated' }];
    };
    stage.gateway = await startGateway({ port, provider: stage.provider, application: stage.application, plugin });
  });
  beforeEach(() => stage.application.forget());
  after(async () => {
    await stage.gateway?.stop();
    await stage.provider?.stop();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });

  it('the application gets a token for itself about the person who is signed in, and can verify it', async () => {
    const alice = await signInAs(stage.gateway, 'alice');
    stage.application.forget();
    assert.equal((await alice.call('/notes')).status, 200);
    const arrived = await stage.application.only('/notes');
    const [line, ...more] = headerValues(arrived, 'authorization');
    assert.deepEqual([more, headerValues(arrived, 'x-forwarded-access-token')], [[], []]);
    const { jwks_uri: address } = await (await fetch(`${stage.provider.issuer}/.well-known/openid-configuration`)).json();
    const keys = createLocalJWKSet(await (await fetch(address)).json());
    const { payload } = await jwtVerify(line.replace('Bearer ', ''), keys, { issuer: stage.provider.issuer, audience: NOTES });
    assert.deepEqual([payload.sub, payload.scope, payload.client_id], ['alice', 'notes:read', 'accredit-demo']);
  });

  it('whom the provider refuses a token sees a page with its reason, and the application sees nothing', async () => {
    const bob = await signInAs(stage.gateway, 'bob');
    stage.application.forget();
    assertProblem(await bob.call('/notes'), 403, 'upstream_token_refused');
    const page = await bob.open('/notes');
    assert.deepEqual([page.status, page.reason], [403, 'upstream_token_refused']);
    assert.match(page.body, /does not let your account use the service behind this page/);
    assert.deepEqual(stage.application.requests, []);
  });
});
