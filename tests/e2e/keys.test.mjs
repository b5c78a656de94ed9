// Keys in a real Envoy: tokens that Node signs with each algorithm, and issuers whose keys are in the configuration.

import assert from 'node:assert/strict';
import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { makeKey, now, sign } from './lib/misbehaving.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';

/** A key pair made by Node: it signs with jose, and has its public key in PEM. */
function pair(algorithm, type, options = {}) {
  const { privateKey, publicKey } = generateKeyPairSync(type, options);
  return { algorithm, privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }) };
}

const curve = (namedCurve) => ({ namedCurve });
const WRITTEN = [
  pair('RS256', 'rsa', { modulusLength: 2048 }),
  pair('ES256', 'ec', curve('P-256')),
  pair('ES384', 'ec', curve('P-384')),
  pair('EdDSA', 'ed25519'),
];
const SECRET = randomBytes(32).toString('base64');
const secretKey = createSecretKey(Buffer.from(SECRET));
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];

describe('keys', () => {
  const stage = onStage({
    prepare: async (provider) => provider.keys.push(await makeKey('ES384', 'e-384'), await makeKey('EdDSA', 'ed')),
    plugin: (configuration) => {
      const [demo] = configuration.providers;
      demo.algorithms = ALGORITHMS;
      demo.bearer = { audiences: ['orders'], algorithms: ALGORITHMS };
      configuration.providers.unshift(
        {
          name: 'partner',
          issuer: 'https://partner.example',
          bearer: { audiences: ['orders'], algorithms: ALGORITHMS, public_keys: WRITTEN.map(({ pem }) => ({ pem })) },
        },
        { name: 'logins', issuer: 'login-service', bearer: { audiences: ['orders'], algorithms: ['HS256'], secret: SECRET } },
      );
      configuration.rules = [{ require: 'authenticated' }];
    },
  });

  const claims = (iss) => ({ iss, sub: 'robot', aud: 'orders', exp: now() + 300 });
  const send = (token) => stage.visitor().call('/orders', { headers: { authorization: `Bearer ${token}` } });
  const by = (key, iss, header = {}) => sign(claims(iss), { alg: key.algorithm, ...header }, key.privateKey);

  for (const [algorithm, kid] of [
    ['ES384', 'e-384'],
    ['EdDSA', 'ed'],
  ]) {
    it(`people sign in with an ID token by ${algorithm}, and such bearer tokens are accepted`, async () => {
      const key = stage.provider.keys.find((other) => other.kid === kid);
      stage.provider.signingKey = key;
      await stage.signedIn();
      assert.equal((await send(await by(key, stage.provider.issuer, { kid }))).status, 200);
      const other = { ...(await makeKey(algorithm, 'of-somebody-else')) };
      assertProblem(await send(await by(other, stage.provider.issuer, { kid })), 401, 'token_invalid');
      const good = await by(key, stage.provider.issuer, { kid });
      const [header, payload, signature] = good.split('.');
      const bytes = Buffer.from(signature, 'base64url');
      bytes[bytes.length - 2] ^= 1;
      assertProblem(await send(`${header}.${payload}.${bytes.toString('base64url')}`), 401, 'token_invalid');
    });
  }

  for (const key of WRITTEN) {
    it(`a key in the configuration verifies ${key.algorithm}, with and without kid`, async () => {
      assert.equal((await send(await by(key, 'https://partner.example'))).status, 200);
      assert.equal((await send(await by(key, 'https://partner.example', { kid: 'anything' }))).status, 200);
      const arrived = await stage.application.requests.at(-1);
      assert.deepEqual([arrived.headers['x-forwarded-user'], arrived.headers['x-forwarded-provider']], ['robot', 'partner']);
      assertProblem(await send(await by(key, 'login-service')), 401, 'token_invalid');
      const stranger = key.algorithm === 'EdDSA' ? pair('EdDSA', 'ed25519') : await makeKey(key.algorithm, 'of-somebody-else');
      assertProblem(await send(await by(stranger, 'https://partner.example')), 401, 'token_invalid');
    });
  }

  it('a secret verifies HS256 only for its issuer, and no public key is used as a secret', async () => {
    const signed = (iss, key) => sign(claims(iss), { alg: 'HS256', typ: 'JWT' }, key);
    assert.equal((await send(await signed('login-service', secretKey))).status, 200);
    assertProblem(await send(await signed('https://partner.example', secretKey)), 401, 'token_invalid');
    assertProblem(await send(await signed('login-service', randomBytes(32))), 401, 'token_invalid');
    // The secret is the configured text itself, not the bytes that it would decode to.
    assertProblem(await send(await signed('login-service', Buffer.from(SECRET, 'base64'))), 401, 'token_invalid');
    for (const { pem } of WRITTEN) {
      const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
      for (const taken of [pem, pem.trim(), der]) {
        const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const message = `${part({ alg: 'HS256' })}.${part(claims('https://partner.example'))}`;
        const code = createHmac('sha256', taken).update(message).digest('base64url');
        assertProblem(await send(`${message}.${code}`), 401, 'token_invalid');
      }
    }
  });

  it('nobody can sign in at an issuer that only issues tokens', async () => {
    assertProblem(await stage.visitor().call('/api/login?provider=partner'), 400, 'provider_unknown');
  });
});
