// Sessions and identity tokens as JWTs, read and made by libraries that know nothing about the gateway: PyJWT (Python) and jose (JavaScript), with HS256, RS256
// and ES256. Keys are a shared secret, or come from the gateway's JWKS endpoint.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SignJWT, createLocalJWKSet, importPKCS8, jwtVerify } from 'jose';
import { Visitor } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { ROOT } from './lib/process.mjs';
import { assertNoPanic, assertProblem } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const pem = (key) => key.privateKey.export({ type: 'pkcs8', format: 'pem' });
const KEYS = {
  HS256: 'a secret that is shared with services, and long enough',
  RS256: pem(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  ES256: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
};
const IDENTITY_KEY = pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }));

// A script that reads a JSON question from stdin and writes a JSON answer to stdout.
const PYTHON = `
import json, sys, jwt
ask = json.load(sys.stdin)
if ask["do"] == "verify":
    key = ask["key"] if "key" in ask else jwt.PyJWK(next(k for k in ask["jwks"]["keys"] if k["kid"] == jwt.get_unverified_header(ask["token"])["kid"])).key
    print(json.dumps(jwt.decode(ask["token"], key, algorithms=[ask["alg"]], audience=ask["aud"], issuer=ask["iss"], options={"require": ["exp", "iat", "sub"]})))
else:
    print(json.dumps(jwt.encode(ask["claims"], ask["key"], algorithm=ask["alg"])))
`;
let interpreter;
const python = (ask) => JSON.parse(execFileSync(interpreter, ['-c', PYTHON], { input: JSON.stringify(ask), encoding: 'utf8' }));
const seconds = () => Math.floor(Date.now() / 1000);

before(() => {
  interpreter = execFileSync(join(ROOT, 'deploy/build/pyjwt.sh'), { encoding: 'utf8' }).trim();
});

for (const alg of Object.keys(KEYS)) {
  describe(alg, () => {
    const [iss, aud] = ['https://gateway.example', 'applications'];
    let provider, application, gateway, session;

    before(async () => {
      provider = await Provider.start();
      application = await Application.start();
      gateway = await startGateway({
        provider,
        application,
        plugin: (configuration) => {
          Object.assign(configuration, {
            session: {
              keys: configuration.session.keys,
              form: 'jwt',
              jwt: { algorithm: alg, keys: [KEYS[alg]], issuer: iss, audience: aud, bearer: true },
              cookie: { name: 'access_token' },
            },
            endpoints: { jwks: '/.well-known/jwks.json' },
            forward: { session_cookie: true, identity_jwt: { algorithm: 'ES256', keys: [IDENTITY_KEY] } },
            rules: [{ require: 'authenticated', audience: 'orders' }],
          });
        },
      });
      const visitor = new Visitor(gateway);
      await visitor.signIn('/analytics');
      session = visitor.jar.matching('localhost', '/').find(({ name }) => name === 'access_token').value;
    });
    after(async () => {
      for (const part of [gateway, provider, application]) await part?.stop();
      if (gateway) assertNoPanic(gateway);
    });

    const jwks = async () => (await new Visitor(gateway).send('/.well-known/jwks.json')).json();
    const ours = async () => (alg === 'HS256' ? { key: KEYS.HS256 } : { jwks: await jwks() });
    const send = (token) => new Visitor(gateway).send('/orders', { headers: { authorization: `Bearer ${token}` } });

    it('a session of the gateway is read by PyJWT', async () => {
      const claims = python({ do: 'verify', token: session, alg, iss, aud, ...(await ours()) });
      assert.equal(claims.exp - claims.iat, 3600);
      assert.ok(claims.sub);
    });

    it('a session of the gateway is read by jose', async () => {
      const key = alg === 'HS256' ? new TextEncoder().encode(KEYS.HS256) : createLocalJWKSet(await jwks());
      const { payload, protectedHeader } = await jwtVerify(session, key, { issuer: iss, audience: aud, algorithms: [alg], typ: 'JWT' });
      assert.equal(payload.exp - payload.iat, 3600);
      assert.equal('kid' in protectedHeader, alg !== 'HS256');
    });

    it('a session made by PyJWT is accepted, and refused with another key', async () => {
      const claims = { sub: 'by-python', origin: gateway.origin, iss, aud: [aud, 'others'], iat: seconds(), exp: seconds() + 60 };
      application.forget();
      assert.equal((await send(python({ do: 'sign', claims, key: KEYS[alg], alg }))).status, 200);
      assert.deepEqual(headerValues(await application.only('/orders'), 'x-forwarded-user'), ['by-python']);
      const other = { HS256: 'x'.repeat(40), RS256: pem(generateKeyPairSync('rsa', { modulusLength: 2048 })), ES256: IDENTITY_KEY }[alg];
      assertProblem(await send(python({ do: 'sign', claims, key: other, alg })), 401, 'token_invalid');
    });

    it('a session made by jose is accepted', async () => {
      const key = alg === 'HS256' ? new TextEncoder().encode(KEYS.HS256) : await importPKCS8(KEYS[alg], alg);
      const token = await new SignJWT({ sub: 'by-jose', origin: gateway.origin, iss, aud, exp: seconds() + 60 }).setProtectedHeader({ alg }).sign(key);
      assert.equal((await send(token)).status, 200);
    });

    it('an identity JWT is verified by the upstream with the published keys, and is not accepted as a credential', async () => {
      application.forget();
      await send(session);
      const [identity] = headerValues(await application.only('/orders'), 'x-forwarded-identity');
      const claims = python({ do: 'verify', token: identity, alg: 'ES256', iss: gateway.origin, aud: 'orders', jwks: await jwks() });
      assert.equal(claims.exp - claims.iat, 60);
      const { payload } = await jwtVerify(identity, createLocalJWKSet(await jwks()), { audience: 'orders', typ: 'identity+jwt' });
      assert.deepEqual(payload, claims);
      assertProblem(await send(identity), 401, 'token_invalid');
    });

    it('only public keys are published', async () => {
      const answer = await new Visitor(gateway).send('/.well-known/jwks.json');
      assert.match(answer.headers['cache-control'], /public, max-age=300/);
      const { keys } = answer.json();
      assert.deepEqual(
        keys.map((key) => key.alg),
        alg === 'HS256' ? ['ES256'] : [alg, 'ES256'],
      );
      assert.deepEqual(
        keys.flatMap((key) => ['d', 'p', 'q', 'k'].filter((name) => name in key)),
        [],
      );
    });
  });
}
