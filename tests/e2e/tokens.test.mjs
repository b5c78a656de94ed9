// ID tokens and key sets that are not in the conformance suite: those of attackers and careless providers, and unusual but valid ones.
//
// Each case is a sign-in at a provider that changes one thing. The classes are those of published vulnerabilities: confusion of algorithms, keys inside the
// token, claims of another type, duplicates, nesting and size.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { CompactEncrypt, exportSPKI, importJWK } from 'jose';
import { answer, makeKey, now, sign, unsigned } from './lib/misbehaving.mjs';
import { assertRefused, onStage } from './lib/stage.mjs';

const prepare = async (provider) => {
  const published = async (algorithm, kid, changes = {}) => {
    const key = await makeKey(algorithm, kid);
    return { ...key, published: { ...key.published, ...changes } };
  };
  provider.keys = [
    await published('RS256', 'rs-1'),
    await published('PS256', 'ps-1'),
    await published('ES256', 'es-1'),
    await published('RS256', 'no-alg', { alg: undefined }),
    await published('RS256', 'for-encryption', { use: 'enc', alg: undefined }),
    // Keys that cannot be used, as a careless provider publishes them. They must not spoil the other keys.
    { published: { kty: 'OKP', crv: 'X25519', kid: 'unknown-curve', x: 'AAAA' } },
    { published: { kty: 'post-quantum', kid: 'unknown-type', pub: 'AAAA' } },
    { published: { kty: 'RSA', kid: 'not-base64', n: '%%%', e: 'AQAB', alg: 'RS256' } },
    { published: { kty: 'RSA', kid: 'too-short', n: 'wJ8', e: 'AQAB', alg: 'RS256' } },
    { published: { kty: 'EC', kid: 'off-the-curve', crv: 'P-256', x: 'AAAA', y: 'AAAA', alg: 'ES256' } },
    { published: { kid: 17 } },
    { published: 'not a key' },
  ];
};

const claims = (changes) => (provider) =>
  (provider.lies.claims = (truth) => ({ ...truth, ...(typeof changes === 'function' ? changes(truth, provider) : changes) }));
const header = (changes) => (provider) => (provider.lies.header = (truth) => ({ ...truth, ...changes }));
const token = (make) => (provider) => (provider.lies.idToken = (truth, head, key) => make(truth, head, key, provider));
const signedBy =
  (algorithm, kid, changes = {}) =>
  async (provider) => {
    provider.signingKey = { ...(await makeKey(algorithm, kid)), ...changes };
  };
const payload = (make) => token((truth, head, key) => sign(make(JSON.stringify(truth), truth), head, key));

const ACCEPTED = [
  ['signed with PS256', signedBy('PS256', 'ps-1')],
  ['signed with ES256', signedBy('ES256', 'es-1')],
  ['signed with RS256 by a key that does not name its algorithm', signedBy('RS256', 'no-alg')],
  ['whose audience is a list of one', claims((truth) => ({ aud: [truth.aud] }))],
  ['for several audiences, of which the authorized party is this client', claims((truth) => ({ aud: ['another', truth.aud], azp: truth.aud }))],
  ['whose auth_time is a fraction', claims({ auth_time: now() - 0.5 })],
  ['whose auth_time is 0', claims({ auth_time: 0 })],
  ['without at_hash', claims({ at_hash: undefined })],
  ['issued 30 s ahead of our clock', claims({ iat: now() + 30 })],
  ['expired 30 s ago by our clock', claims({ exp: now() - 30 })],
  ['with token_type in lower case', (provider) => (provider.lies.tokens = (body) => ({ ...body, token_type: 'bearer' }))],
  ['with claims that nobody asked for', claims({ address: { country: 'XX' }, numbers: [1, 2.5, null, true] })],
  ['without typ in its header', header({ typ: undefined })],
];

const REFUSED = [
  // Confusion of algorithms and keys. (This one is the first, because only three unknown keys or wrong signatures in a row have the keys fetched again.)
  ['a key published for encryption', signedBy('RS256', 'for-encryption'), 'id_token_key_unknown'],
  ['an HMAC made with the public key', token(hmacWithPublicKey), 'id_token_algorithm'],
  ['an HMAC made with the client secret', token((truth, head, _key, provider) => hmac(truth, head, provider.clientSecret)), 'id_token_algorithm'],
  ['alg none under another spelling', token((truth) => unsigned(truth, { alg: 'nOnE', kid: 'rs-1' })), 'id_token_algorithm'],
  ['alg RS256 and no signature', token((truth) => unsigned(truth, { alg: 'RS256', kid: 'rs-1' })), 'id_token_signature'],
  ['PS256 by a key published for RS256', signedBy('PS256', 'ps-1', { kid: 'rs-1' }), 'id_token_algorithm'],
  ['ES256 under the name of an RSA key', signedBy('ES256', 'es-1', { kid: 'rs-1' }), 'id_token_algorithm'],
  ['a signature of all zeros', token((truth) => unsigned(truth, { alg: 'ES256', kid: 'es-1' }, Buffer.alloc(64).toString('base64url'))), 'id_token_signature'],
  ['a key that the token brings along (jwk)', token(embeddedKey), 'id_token_signature'],
  [
    'a key that the token points to (jku)',
    token(async (truth, head) => sign(truth, { ...head, jku: 'http://127.0.0.1:1/keys' }, await makeKey('RS256', 'a thief'))),
    'id_token_signature',
  ],
  ['an extension it calls critical (crit)', header({ crit: ['exp-policy'], 'exp-policy': 'strict' }), 'id_token_malformed'],
  ['changed claims under an honest signature', token(changedClaims), 'id_token_signature'],
  ['encryption around an unsigned token', token(encrypted), 'id_token_malformed'],
  // Claims
  ['another issuer that begins like ours', claims((truth) => ({ iss: `${truth.iss}.evil.example` })), 'id_token_issuer'],
  ['our issuer with a slash appended', claims((truth) => ({ iss: `${truth.iss}/` })), 'id_token_issuer'],
  ['a list of issuers', claims((truth) => ({ iss: [truth.iss] })), ['id_token_issuer', 'id_token_malformed']],
  ['no issuer', claims({ iss: undefined }), ['id_token_issuer', 'id_token_malformed']],
  ['no audience', claims({ aud: undefined }), 'id_token_audience'],
  ['an audience that only contains our name', claims((truth) => ({ aud: `${truth.aud}-other` })), 'id_token_audience'],
  ['several audiences and another authorized party', claims((truth) => ({ aud: [truth.aud, 'another'], azp: 'another' })), 'id_token_authorized_party'],
  ['another authorized party', claims({ azp: 'another' }), 'id_token_authorized_party'],
  ['an empty subject', claims({ sub: '' }), 'id_token_subject'],
  ['a subject that is a number', claims({ sub: 17 }), ['id_token_subject', 'id_token_malformed']],
  ['an expiry an hour ago', claims({ exp: now() - 3600 }), 'id_token_expired'],
  ['no expiry', claims({ exp: undefined }), ['id_token_expired', 'id_token_malformed']],
  ['an expiry that is text', claims({ exp: String(now() + 300) }), ['id_token_expired', 'id_token_malformed']],
  ['an expiry beyond all numbers', payload((text) => text.replace(/"exp":\d+/, '"exp":1e400')), ['id_token_expired', 'id_token_malformed']],
  ['an issue date an hour ahead', claims({ iat: now() + 3600 }), 'id_token_issued_at'],
  ['an issue date that is text', claims({ iat: 'today' }), ['id_token_issued_at', 'id_token_malformed']],
  ['a validity that begins in an hour', claims({ nbf: now() + 3600 }), ['id_token_issued_at', 'id_token_expired']],
  ['no nonce', claims({ nonce: undefined }), 'id_token_nonce'],
  ['an empty nonce', claims({ nonce: '' }), 'id_token_nonce'],
  ['a hash of another access token', claims({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }), 'id_token_at_hash'],
  ['an issuer said twice', payload((text) => text.replace('{', '{"iss":"https://other.example",')), 'id_token_malformed'],
  ['a subject said twice', payload((text) => `${text.slice(0, -1)},"sub":"root"}`), 'id_token_malformed'],
  // Form
  ['claims that are a list', payload(() => '[]'), 'id_token_malformed'],
  ['claims that are no JSON', payload(() => '{"iss":'), 'id_token_malformed'],
  [
    'claims nested ten thousand deep',
    payload((text) => `${text.slice(0, -1)},"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
    ['id_token_malformed', 'token_response_malformed'],
  ],
  ['two parts', token(() => 'AAAA.AAAA'), 'id_token_malformed'],
  ['ten thousand dots', token(() => '.'.repeat(10_000)), 'id_token_malformed'],
  ['an empty text', token(() => ''), ['id_token_malformed', 'token_response_malformed']],
  ['a number instead of a token', token(() => 17), ['id_token_malformed', 'token_response_malformed']],
  ['bytes that are no UTF-8 among its claims', token((_, head, key) => sign(Buffer.from('{"iss":"\xff\xfe"}', 'latin1'), head, key)), 'id_token_malformed'],
];

function hmac(truth, head, secret, algorithm = 'HS256') {
  const text = unsigned(truth, { ...head, alg: algorithm }).slice(0, -1);
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

async function hmacWithPublicKey(truth, head, key) {
  return hmac(truth, head, await exportSPKI(await importJWK(key.published)));
}

async function embeddedKey(truth, head) {
  const thief = await makeKey('RS256', 'a thief');
  return sign(truth, { ...head, jwk: { ...thief.published, kid: head.kid } }, thief);
}

async function changedClaims(truth, head, key) {
  const [first, , last] = (await sign(truth, head, key)).split('.');
  return `${first}.${Buffer.from(JSON.stringify({ ...truth, sub: 'root' })).toString('base64url')}.${last}`;
}

async function encrypted(truth) {
  const plain = new TextEncoder().encode(unsigned(truth, { alg: 'none' }));
  return new CompactEncrypt(plain).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' }).encrypt(new Uint8Array(32));
}

describe('the ID token', () => {
  const stage = onStage({ prepare, plugin: (configuration) => void (configuration.sign_in = { wait: '1s' }) });

  for (const [what, arrange] of ACCEPTED) {
    it(`accepts one ${what}`, async () => {
      await arrange(stage.provider);
      const landing = await stage.visitor().signIn('/analytics');
      assert.deepEqual([landing.status, landing.reason], [200, undefined]);
    });
  }

  for (const [what, arrange, reason] of REFUSED) {
    it(`refuses ${what}`, async () => {
      await arrange(stage.provider);
      const last = await stage.visitor().signIn('/analytics');
      const allowed = [reason].flat();
      assertRefused(last, 502, allowed.includes(last.reason) ? last.reason : allowed[0]);
      assert.deepEqual(stage.application.requests, []);
    });
  }
});

describe('the key set', () => {
  const WRONG_SETS = [
    ['is no JSON', '<html>'],
    ['is a list', '[]'],
    ['has no keys member', '{}'],
    ['is empty', '{"keys":[]}'],
    ['holds nothing usable', '{"keys":[{"kty":"RSA"},{"kty":"oct","k":"AAAA"}]}'],
    ['is larger than any honest one', `{"keys":[],"padding":"${'x'.repeat(3_000_000)}"}`],
  ];
  const stage = onStage({
    plugin: (configuration) => {
      configuration.sign_in = { wait: '1s' };
      configuration.providers[0].timeout = '1s';
    },
    prepare: (provider) => void (provider.intercept.keys = (_, response) => answer(response, 200, stage.keySet ?? '{"keys":[]}')),
  });

  for (const [what, text] of WRONG_SETS) {
    it(`that ${what} signs nobody in, and does no other harm`, async () => {
      stage.keySet = text;
      const last = await stage.visitor().signIn('/analytics');
      assert.ok(last.status >= 500 && ['keys_unavailable', 'id_token_key_unknown'].includes(last.reason), `${last.status} ${last.reason}`);
      assert.equal((await stage.visitor().open('/')).status, 200);
    });
  }
});
