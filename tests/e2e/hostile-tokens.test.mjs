// Bearer tokens as attackers and careless issuers make them: each is refused with its reason, and none reaches the application.
//
// The classes are those of published vulnerabilities: no signature, confusion of algorithms, keys inside the token, headers that change what is signed, claims
// that are missing or of another type, tokens of other kinds, other places and spellings, and excessive dots, nesting and size.

import assert from 'node:assert/strict';
import { KeyObject, createHmac, sign as signBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { CompactEncrypt, exportSPKI, importJWK } from 'jose';
import { makeKey, now } from './lib/misbehaving.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';

const published = async (algorithm, kid, changes) => {
  const key = await makeKey(algorithm, kid);
  return { ...key, published: { ...key.published, ...changes } };
};
const KEYS = {
  rsa: await published('RS256', 'rs-1'),
  ec: await published('ES256', 'es-1'),
  encryption: await published('RS256', 'for-encryption', { use: 'enc', alg: undefined }),
  thief: await makeKey('RS256', 'a thief'),
  otherCurve: await makeKey('ES384', 'another curve'),
};

const base64 = (value) => Buffer.from(value).toString('base64url');
const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function signature(algorithm, key, signed) {
  if (algorithm === 'DER') return signBytes('sha256', signed, KeyObject.from(key.privateKey));
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('ES')) return signBytes(hash, signed, { key: KeyObject.from(key.privateKey), dsaEncoding: 'ieee-p1363' });
  const padding = algorithm.startsWith('PS') ? { padding: 6, saltLength: 32 } : {};
  return signBytes(hash, signed, { key: KeyObject.from(key.privateKey), ...padding });
}

/** A token with this header and these claims, each a text or a value; `by` makes the signature. */
function token(header, claims, by = (signed) => signature('RS256', KEYS.rsa, signed)) {
  const signed = `${base64(text(header))}.${base64(text(claims))}`;
  return `${signed}.${Buffer.from(by(Buffer.from(signed))).toString('base64url')}`;
}

const RS = { alg: 'RS256', kid: 'rs-1' };
const ES = { alg: 'ES256', kid: 'es-1' };
const hmac =
  (secret, algorithm = 'sha256') =>
  (signed) =>
    createHmac(algorithm, secret).update(signed).digest();
const byThief = (signed) => signature('RS256', KEYS.thief, signed);
const byEc = (signed) => signature('ES256', KEYS.ec, signed);
const nested = (depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('hostile bearer tokens', () => {
  const stage = onStage({
    plugin: (configuration) => {
      configuration.providers[0].bearer = { audiences: ['orders'], algorithms: ['RS256', 'ES256', 'PS256'] };
      configuration.sign_in = { wait: '1s' };
      configuration.rules = [{ match: { path_separated_prefix: '/hooks' }, require: { bearer: 'demo' } }];
    },
    prepare: (provider) => void (provider.keys = [KEYS.rsa, KEYS.ec, KEYS.encryption]),
  });

  /** Valid claims with these changes; undefined removes a claim. */
  const claims = (changes = {}) => ({ iss: stage.provider.issuer, sub: 'robot', aud: 'orders', iat: now(), exp: now() + 300, ...changes });
  const good = () => token(RS, claims());
  const send = (headers, target = '/hooks', more = {}) =>
    stage.visitor().call(target, { method: 'POST', body: 'x', ...more, headers: { ...headers, ...more.headers } });
  const accepted = async (made) => assert.equal((await send({ authorization: `Bearer ${made}` })).status, 200);

  const header = (changes, by) => () => token({ ...RS, ...changes }, claims(), by);
  const claim = (changes) => () => token(RS, claims(changes));
  const payload = (make) => () => token(RS, make(JSON.stringify(claims())));
  const changed = (make) => () => make(good());
  const lastPart = (make) => changed((whole) => whole.replace(/[^.]*$/, make));

  const INVALID = [
    // No signature
    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) => [`alg ${JSON.stringify(alg)} and no signature`, () => token({ ...RS, alg }, claims(), () => '')]),
    ['alg none with an honest signature', header({ alg: 'none' })],
    ['alg RS256 and no signature', header({}, () => '')],
    ['two parts', changed((whole) => whole.split('.').slice(0, 2).join('.'))],
    [
      'an unsigned token within a signed one',
      () =>
        token(
          { ...RS, cty: 'JWT' },
          token({ alg: 'none' }, claims(), () => ''),
        ),
    ],
    // Confusion of algorithms
    ['an HMAC with the public key as PEM', async () => token({ ...RS, alg: 'HS256' }, claims(), hmac(await exportSPKI(await importJWK(KEYS.rsa.published))))],
    [
      'an HMAC with the public key as PEM without its last line break',
      async () => token({ ...RS, alg: 'HS256' }, claims(), hmac((await exportSPKI(await importJWK(KEYS.rsa.published))).trim())),
    ],
    [
      'an HMAC with the public key as DER',
      async () => token({ ...RS, alg: 'HS256' }, claims(), hmac(KeyObject.from(await importJWK(KEYS.rsa.published)).export({ type: 'spki', format: 'der' }))),
    ],
    ['an HMAC with the public key as JWK', () => token({ ...RS, alg: 'HS256' }, claims(), hmac(JSON.stringify(KEYS.rsa.published)))],
    ['an HMAC with the modulus', () => token({ ...RS, alg: 'HS256' }, claims(), hmac(Buffer.from(KEYS.rsa.published.n, 'base64url')))],
    ['an HMAC with the client secret', () => token({ ...RS, alg: 'HS256' }, claims(), hmac(stage.provider.clientSecret))],
    ['an HMAC with an empty secret', () => token({ ...RS, alg: 'HS512' }, claims(), hmac('', 'sha512'))],
    ['ES256 under the name of an RSA key', () => token({ ...ES, kid: 'rs-1' }, claims(), byEc)],
    ['RS256 under the name of an elliptic key', () => token({ ...RS, kid: 'es-1' }, claims())],
    ['PS256 by a key published for RS256', () => token({ ...RS, alg: 'PS256' }, claims(), (signed) => signature('PS256', KEYS.rsa, signed))],
    ['RS512 by a key published for RS256', () => token({ ...RS, alg: 'RS512' }, claims(), (signed) => signature('RS512', KEYS.rsa, signed))],
    ['an honest RS256 signature called RS384', header({ alg: 'RS384' })],
    ['ES384, of another curve', () => token({ ...ES, alg: 'ES384' }, claims(), (signed) => signature('ES384', KEYS.otherCurve, signed))],
    ['a signature of another curve called ES256', () => token(ES, claims(), (signed) => signature('ES384', KEYS.otherCurve, signed))],
    ['ES256K', () => token({ ...ES, alg: 'ES256K' }, claims(), byEc)],
    ['an algorithm in lower case', header({ alg: 'rs256' })],
    ['an algorithm with a space behind it', header({ alg: 'RS256 ' })],
    ['a list of algorithms', header({ alg: ['RS256'] })],
    ['no algorithm', header({ alg: undefined })],
    // Keys
    ['a key that the token brings along (jwk)', () => token({ ...RS, jwk: KEYS.thief.published }, claims(), byThief)],
    ['a key that the token points to (jku)', () => token({ ...RS, jku: `${stage.provider.issuer}/keys` }, claims(), byThief)],
    ['a certificate that the token brings along (x5c)', () => token({ ...RS, x5c: ['MIIB'] }, claims(), byThief)],
    ['a certificate that the token points to (x5u)', () => token({ ...RS, x5u: `${stage.provider.issuer}/keys` }, claims(), byThief)],
    ['a key published for encryption', () => token({ ...RS, kid: 'for-encryption' }, claims(), (signed) => signature('RS256', KEYS.encryption, signed))],
    ["a key of the same name that is not the provider's", header({}, byThief)],
    ['no key named, by somebody else', header({ kid: undefined }, byThief)],
    ['a key named by a path', header({ kid: '../../../../../dev/null' }, byThief)],
    ['a key named by SQL', header({ kid: "' UNION SELECT 'x" }, byThief)],
    ['a key whose name is empty', header({ kid: '' })],
    ['a key whose name is a number', header({ kid: 1 })],
    ['a key whose name is a list', header({ kid: ['rs-1'] })],
    ['a key whose name has 10,000 characters', header({ kid: 'k'.repeat(10_000) }, byThief)],
    ['a key whose name continues behind a NUL', header({ kid: 'rs-1\0' }, byThief)],
    // Headers that change what is signed, or its type
    ['an extension that it calls critical (crit)', header({ crit: ['exp'], exp: 1 })],
    ['an empty list of critical extensions', header({ crit: [] })],
    ['a payload that it calls unencoded (b64)', header({ b64: false })],
    ['compression (zip)', () => token({ alg: 'dir', enc: 'A128GCM', zip: 'DEF' }, claims())],
    ['a header that names alg twice', () => token('{"alg":"none","alg":"RS256","kid":"rs-1"}', claims())],
    ['a header that is a list', () => token('["RS256"]', claims())],
    ['a header that is no JSON', () => token('alg=RS256', claims())],
    ['the type of a logout token', header({ typ: 'logout+jwt' })],
    ['the type of a security event', header({ typ: 'secevent+jwt' })],
    ['the type of a DPoP proof', header({ typ: 'dpop+jwt' })],
    ['a type that is a number', header({ typ: 7 })],
    ['a type that only begins right', header({ typ: 'at+jwt2' })],
    // Signatures
    [
      'changed claims under an honest signature',
      () =>
        good()
          .split('.')
          .with(1, base64(text(claims({ sub: 'root' }))))
          .join('.'),
    ],
    ['an elliptic signature of all zeros', () => token(ES, claims(), () => Buffer.alloc(64))],
    ['an elliptic signature as DER', () => token(ES, claims(), (signed) => signature('DER', KEYS.ec, signed))],
    [
      'an elliptic signature whose halves are swapped',
      () => token(ES, claims(), (signed) => ((made) => Buffer.concat([made.subarray(32), made.subarray(0, 32)]))(byEc(signed))),
    ],
    ['an elliptic signature with a leading zero', () => token(ES, claims(), (signed) => Buffer.concat([Buffer.alloc(1), byEc(signed)]))],
    ['half an elliptic signature', () => token(ES, claims(), (signed) => byEc(signed).subarray(0, 32))],
    ['a signature that was cut', header({}, (signed) => signature('RS256', KEYS.rsa, signed).subarray(0, 255))],
    ['a signature with a byte behind it', header({}, (signed) => Buffer.concat([signature('RS256', KEYS.rsa, signed), Buffer.alloc(1)]))],
    ['a signature with padding', lastPart((made) => `${made}==`)],
    ['a signature whose unused bits are set', lastPart((made) => made.replace(/.$/, (last) => ({ A: 'B', Q: 'R', g: 'h', w: 'x' })[last]))],
    [
      'claims with padding',
      changed((whole) =>
        whole
          .split('.')
          .with(1, `${whole.split('.')[1]}=`)
          .join('.'),
      ),
    ],
    [
      'a signature in the other alphabet of base64',
      () => token(RS, claims(), (signed) => signature('RS256', KEYS.rsa, signed)).replace(/[^.]*$/, (made) => `${made.slice(0, -4)}+/+/`),
    ],
    // Values that are not tokens
    [
      'an encrypted token',
      async () => new CompactEncrypt(Buffer.from(good())).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' }).encrypt(new Uint8Array(32)),
    ],
    ['four parts', changed((whole) => `${whole}.x`)],
    ['ten thousand dots', () => '.'.repeat(10_000)],
    ['dots around it', changed((whole) => `.${whole}.`)],
    ['20,000 characters', () => `${'a'.repeat(20_000)}.b.c`],
    ['nothing but a word', () => 'opaque'],
    ['claims nested three thousand deep', payload((whole) => `${whole.slice(0, -1)},"x":${nested(3_000)}}`)],
    ['claims that are a list', payload((whole) => `[${whole}]`)],
    ['claims that are a text', payload((whole) => JSON.stringify(whole))],
    ['claims that are no JSON', payload((whole) => whole.slice(0, -1))],
    ['claims behind a byte order mark', payload((whole) => `\ufeff${whole}`)],
    ['claims with something behind them', payload((whole) => `${whole}{}`)],
    ['claims that are no UTF-8', () => token(RS, claims()).split('.').with(1, Buffer.from('{"sub":"\xff\xfe"}', 'latin1').toString('base64url')).join('.')],
    ['an issuer said twice', payload((whole) => whole.replace('{', '{"iss":"https://evil.example",'))],
    ['a subject said twice', payload((whole) => `${whole.slice(0, -1)},"sub":"root"}`)],
    ['an expiry said twice, once by escapes', payload((whole) => whole.replace('{', '{"\\u0065xp":1,'))],
    // Issuer
    ['no issuer', claim({ iss: undefined })],
    ['another issuer', claim({ iss: 'https://evil.example' })],
    ['our issuer with a slash behind it', () => token(RS, claims({ iss: `${stage.provider.issuer}/` }))],
    ['an issuer that begins like ours', () => token(RS, claims({ iss: `${stage.provider.issuer}.evil.example` }))],
    ['our issuer with a NUL behind it', () => token(RS, claims({ iss: `${stage.provider.issuer}\0` }))],
    ['a list of issuers', () => token(RS, claims({ iss: [stage.provider.issuer] }))],
    ['an issuer that is a number', claim({ iss: 7 })],
    // Audience
    ['no audience', claim({ aud: undefined })],
    ['another audience', claim({ aud: 'accredit-demo' })],
    ['our audience in capitals', claim({ aud: 'ORDERS' })],
    ['an audience that contains ours', claim({ aud: 'orders-of-others' })],
    ['several audiences in one text', claim({ aud: 'other orders' })],
    ['no audience in a list', claim({ aud: [] })],
    ['our audience within two lists', claim({ aud: [['orders']] })],
    ['our audience as a name', claim({ aud: { orders: true } })],
    ['an audience with letters that only look like ours', claim({ aud: 'оrders' })],
    // Times
    ['no expiry', claim({ exp: undefined })],
    ['an expiry that is text', () => token(RS, claims({ exp: String(now() + 300) }))],
    ['an expiry that is true', claim({ exp: true })],
    ['an expiry that is null', claim({ exp: null })],
    ['an expiry that is a list', () => token(RS, claims({ exp: [now() + 300] }))],
    ['an expiry before 1970', claim({ exp: -1 })],
    ['an expiry beyond all numbers', payload((whole) => whole.replace(/"exp":\d+/, '"exp":1e400'))],
    ['an expiry beyond all clocks', payload((whole) => whole.replace(/"exp":\d+/, '"exp":1e300'))],
    ['a validity that begins in an hour', () => token(RS, claims({ nbf: now() + 3_600 }))],
    ['a validity whose beginning is text', claim({ nbf: 'yesterday' })],
    ['an issue date in a year', () => token(RS, claims({ iat: now() + 31_536_000 }))],
    ['an issue date that is text', claim({ iat: 'today' })],
    // Subject
    ['neither subject nor client', claim({ sub: undefined })],
    ['an empty subject', claim({ sub: '' })],
    ['a subject that is null, beside a client', claim({ sub: null, client_id: 'robot' })],
    ['a subject that is a number', claim({ sub: 17 })],
    ['a subject of 256 characters', claim({ sub: 's'.repeat(256) })],
    ['a subject that is not ASCII', claim({ sub: 'rоbot' })],
    ['a subject with a line break', claim({ sub: 'robot\r\nx-forwarded-user: root' })],
    ['a subject with a NUL', claim({ sub: 'robot\0' })],
    // Tokens for another purpose
    ['an ID token (nonce)', claim({ nonce: 'n' })],
    ['an ID token (at_hash)', claim({ at_hash: 'h' })],
    ['an ID token (typ ID)', claim({ typ: 'ID' })],
    ['an ID token (token_use id)', claim({ token_use: 'id' })],
    ['a refresh token', claim({ typ: 'Refresh' })],
    ['a logout token', claim({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })],
    ['a token bound to a key (cnf)', claim({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } })],
    ['a token bound to a certificate', claim({ cnf: { 'x5t#S256': 'x' } })],
  ].map(([what, make]) => [what, 401, 'token_invalid', async () => ({ authorization: `Bearer ${await make()}` })]);

  const EXPIRED = [
    ['expired a second beyond the tolerance', () => ({ authorization: `Bearer ${token(RS, claims({ exp: now() - 61 }))}` })],
    ['expired in 1970', () => ({ authorization: `Bearer ${token(RS, claims({ exp: 0 }))}` })],
    ['expired, as a fraction', () => ({ authorization: `Bearer ${token(RS, claims({ exp: now() - 3_600.5 }))}` })],
  ].map(([what, make]) => [what, 401, 'token_expired', make]);

  const ELSEWHERE = [
    ['no token', 401, 'token_missing', () => ({})],
    ['the word alone', 401, 'token_invalid', () => ({ authorization: 'Bearer' })],
    ['as Basic', 401, 'token_missing', () => ({ authorization: `Basic ${Buffer.from(`:${good()}`).toString('base64')}` })],
    ['as DPoP', 401, 'token_missing', () => ({ authorization: `DPoP ${good()}` })],
    ['without a scheme', 401, 'token_missing', () => ({ authorization: good() })],
    ['in a header of its own', 401, 'token_missing', () => ({ 'x-access-token': good(), 'proxy-authorization': `Bearer ${good()}` })],
    ['in a cookie', 401, 'token_missing', () => ({ cookie: `access_token=${good()}; __Host-accredit=${good()}` })],
    ['in a form', 401, 'token_missing', () => ({ 'content-type': 'application/x-www-form-urlencoded' }), '/hooks', { body: 'access_token=GOOD' }],
    ['two in one line', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good()}, Bearer ${good()}` })],
    ['two in two lines', 400, 'token_ambiguous', () => ({ authorization: [`Bearer ${good()}`, `Bearer ${good()}`] })],
    ['the scheme twice', 400, 'token_ambiguous', () => ({ authorization: `Bearer Bearer ${good()}` })],
    ['white space within', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good().replace('.', '. ')}` })],
    ['a tab behind the scheme', 400, 'token_ambiguous', () => ({ authorization: `Bearer\t${good()}` })],
    ['something behind it', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good()}; x=1` })],
    ['in quotes', 400, 'token_ambiguous', () => ({ authorization: `Bearer "${good()}"` })],
    ['percent-encoded', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good().replace('.', '%2E')}` })],
    ['letters beyond ASCII', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good()}\u00e9` })],
    [
      'in the JSON serialization',
      400,
      'token_ambiguous',
      () => ({
        authorization: `Bearer ${JSON.stringify(
          Object.fromEntries(
            good()
              .split('.')
              .map((part, i) => [['protected', 'payload', 'signature'][i], part]),
          ),
        )}`,
      }),
    ],
    ['in the query', 400, 'token_ambiguous', () => ({}), '/hooks?access_token=GOOD'],
    ['in the query, by escapes', 400, 'token_ambiguous', () => ({}), '/hooks?x=1&access%5ftoken=GOOD'],
    ['in the query too', 400, 'token_ambiguous', () => ({ authorization: `Bearer ${good()}` }), '/hooks?access_token=GOOD'],
  ];

  it('are at least sixty, and the valid tokens that they are made from are accepted', async () => {
    assert.ok(INVALID.length + EXPIRED.length + ELSEWHERE.length >= 60);
    for (const honest of [good(), token(ES, claims(), byEc), token({ ...RS, typ: 'at+jwt' }, claims({ aud: ['x', 'orders'], exp: now() - 30 }))])
      await accepted(honest);
    const [fractional] = [token(RS, claims({ exp: now() + 300.5 }))];
    await accepted(fractional);
  });

  for (const [what, status, reason, make, target = '/hooks', more] of [...INVALID, ...EXPIRED, ...ELSEWHERE]) {
    it(`${what}: ${status} ${reason}`, async () => {
      const fill = (value) => value?.replace('GOOD', good());
      const answer = await send(await make(), fill(target), more && { ...more, body: fill(more.body) });
      assertProblem(answer, status, reason);
      assert.match(answer.headers['www-authenticate'], /^Bearer realm="http:\/\/localhost/);
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('a character of the other base64 alphabet, with the same bits, is refused at every place of a signature', async () => {
    // Both characters at all places modulo 32, because the decoder reads 32 characters at once.
    const seen = new Set();
    let honest;
    for (let number = 0; seen.size < 64 && number < 500; number += 1) {
      honest = token(RS, claims({ jti: `token-${number}` }));
      const begin = honest.lastIndexOf('.') + 1;
      for (let place = begin; place < honest.length; place += 1) {
        const alias = { '-': '+', _: '/' }[honest[place]];
        const tried = `${alias} at ${(place - begin) % 32}`;
        if (!alias || seen.has(tried)) continue;
        seen.add(tried);
        const answer = await send({ authorization: `Bearer ${honest.slice(0, place)}${alias}${honest.slice(place + 1)}` });
        assert.deepEqual([answer.status, answer.json().reason], [401, 'token_invalid'], tried);
      }
    }
    assert.equal(seen.size, 64);
    assert.deepEqual(stage.application.requests, []);
    await accepted(honest);
  });

  it('bytes that no header can contain are refused', async () => {
    for (const byte of ['\0', '\r', '\x01']) {
      const answer = await sendRaw(stage.gateway.port, requestText('GET', '/hooks', stage.gateway.host, [`Authorization: Bearer ${good()}${byte}x`]));
      assert.ok([400, 401].includes(answer.status), `${JSON.stringify(byte)}: ${answer.status}`);
    }
    assert.deepEqual(stage.application.requests, []);
  });

  it('after all of them a valid token is accepted, and the provider was asked for keys only a few times', async () => {
    await accepted(good());
    assert.equal((await stage.application.only('/hooks')).headers['x-forwarded-user'], 'robot');
    assert.ok((await stage.gateway.counter('accredit_fetch_keys_ok')) < 12);
  });
});
