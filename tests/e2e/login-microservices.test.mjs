// envoy/login-microservices.yaml as shipped: the gateway verifies its own tokens and those of another service with the same key, and passes the identity to
// microservices. postman.test.mjs tests the login.
//
// Only the ports of the file are changed. The tokens are made by a JWT library that knows nothing about the gateway.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { Visitor } from './lib/client.mjs';
import { namesOf, startGateway } from './lib/gateway.mjs';
import { assertNoPanic, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

let application, gateway;
const names = namesOf('login-microservices');
const seconds = () => Math.floor(Date.now() / 1000);
const token = (claims = {}, { key = gateway.jwtSecret, alg = 'HS256' } = {}) =>
  new SignJWT({ ...names, origin: gateway.origin, sub: 'u-17', iat: seconds(), exp: seconds() + 3600, ...claims })
    .setProtectedHeader({ alg, typ: 'JWT' })
    .sign(new TextEncoder().encode(key));
const send = (path, authorization, more = {}) => new Visitor(gateway).send(path, { ...more, headers: { authorization, ...more.headers } });

before(async () => {
  application = await Application.start();
  gateway = await startGateway({ scenario: 'login-microservices', application });
});
beforeEach(() => application.forget());
after(async () => {
  for (const part of [gateway, application]) await part?.stop();
  if (gateway) assertNoPanic(gateway);
});

describe('a good token', () => {
  for (const [method, scheme] of [
    ['GET', 'Bearer'],
    ['POST', 'Bearer'],
    ['DELETE', 'bearer'],
  ]) {
    it(`lets a ${method} through; the service gets the identity and not the token`, async () => {
      assert.equal((await send('/api/orders', `${scheme} ${await token()}`, { method })).status, 200);
      const arrived = await application.only('/api/orders');
      assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), ['u-17']);
      assert.deepEqual(headerValues(arrived, 'authorization'), []);
    });
  }

  it('with a role gives access to pages that require it, and without the role it does not', async () => {
    assert.equal((await send('/api/admin/users', `Bearer ${await token({ role: 'admin' })}`)).status, 200);
    assert.deepEqual(headerValues(await application.only('/api/admin/users'), 'x-forwarded-role'), ['admin']);
    assertProblem(await send('/api/admin/users', `Bearer ${await token()}`), 403, 'condition_failed');
  });

  it('cannot be given another identity by headers of the client', async () => {
    await send('/api/orders', `Bearer ${await token()}`, { headers: { 'x-forwarded-user': 'root', X_Forwarded_Role: 'admin' } });
    const { rawHeaders } = await application.only('/api/orders');
    assert.equal(/root|admin/.test(rawHeaders.join()), false);
  });

  it('is not accepted as a cookie', async () => {
    const cookie = await token();
    assertProblem(await new Visitor(gateway).send('/api/orders', { headers: { cookie: `__Host-accredit=${cookie}` } }), 401, 'token_missing');
  });
});

describe('every refusal has its own reason', () => {
  const none = () => Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  for (const [what, reason, status, authorization] of [
    ['no header', 'token_missing', 401, async () => undefined],
    ['another scheme', 'token_missing', 401, async () => 'Basic eDp5'],
    ['an expired token', 'token_expired', 401, async () => `Bearer ${await token({ iat: seconds() - 3600, exp: seconds() - 1 })}`],
    ['a token by somebody else', 'token_invalid', 401, async () => `Bearer ${await token({}, { key: 'x'.repeat(48) })}`],
    ['another algorithm', 'token_invalid', 401, async () => `Bearer ${await token({}, { alg: 'HS512', key: gateway.jwtSecret })}`],
    ['an unsigned token', 'token_invalid', 401, async () => `Bearer ${none()}.${(await token()).split('.')[1]}.`],
    ['a token for another audience', 'token_invalid', 401, async () => `Bearer ${await token({ aud: 'another' })}`],
    ['a token for no audience', 'token_invalid', 401, async () => `Bearer ${await token({ aud: undefined })}`],
    ['a token of another issuer', 'token_invalid', 401, async () => `Bearer ${await token({ iss: 'another' })}`],
    ['a token of no issuer', 'token_invalid', 401, async () => `Bearer ${await token({ iss: undefined })}`],
    ['a token without an end', 'token_invalid', 401, async () => `Bearer ${await token({ exp: undefined })}`],
    ['no token at all', 'token_invalid', 401, async () => 'Bearer x.y.z'],
    ['two tokens', 'token_ambiguous', 400, async () => [`Bearer ${await token()}`, `Bearer ${await token()}`]],
  ]) {
    it(`${what}: ${status} ${reason}`, async () => {
      const answer = await send('/api/orders', await authorization());
      assertProblem(answer, status, reason);
      assert.match(String(answer.headers['www-authenticate']), /^Bearer realm="http:\/\/localhost:\d+"/);
      assert.deepEqual(application.requests, []);
    });
  }
});

describe('without a provider', () => {
  it('nobody is redirected to sign in', async () => {
    for (const path of ['/api/orders', '/api/login', '/api/callback', '/']) {
      const page = await new Visitor(gateway).open(path);
      assertRefused(page, 401, 'token_missing');
      const links = [...page.body.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, address]) => address);
      assert.deepEqual(links, ['/'], 'the page offers more than the front page');
    }
  });

  it('public paths stay public, whatever credentials a request has', async () => {
    for (const authorization of [undefined, 'Bearer junk']) assert.equal((await send('/health', authorization)).status, 200);
    assert.deepEqual(
      application.requests.flatMap((request) => headerValues(request, 'authorization')),
      [],
    );
  });
});
