// Bearer tokens in a real Envoy: what a program gets with a valid one, without one, and with each kind of invalid one; and what happens when keys change.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeKey, sign } from './lib/misbehaving.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';

const rules = [
  { match: { path_separated_prefix: '/hooks' }, require: { bearer: 'demo', scope: ['hooks:write'] } },
  { match: { path_separated_prefix: '/members' }, require: { claim: 'groups', any_of: ['staff'] } },
];

describe('bearer tokens', () => {
  const stage = onStage({
    plugin: (configuration) => {
      configuration.providers[0].bearer = { audiences: ['orders'] };
      configuration.rules = rules;
    },
  });

  const now = () => Math.floor(Date.now() / 1000);
  const token = (changes = {}, key = stage.provider.keys[0], header = {}) =>
    sign(
      { iss: stage.provider.issuer, sub: 'robot', aud: 'orders', exp: now() + 300, groups: ['staff'], scope: 'hooks:write', ...changes },
      { alg: 'RS256', kid: key.kid, ...header },
      key,
    );
  const send = (path, authorization, more = {}) =>
    stage.visitor().call(path, { method: 'POST', body: 'x', ...more, headers: { ...(authorization && { authorization }), ...more.headers } });

  it('identify the client, also to the upstream, which does not get the token', async () => {
    const answer = await send('/members', `Bearer ${await token()}`, { headers: { 'x-forwarded-user': 'root' } });
    assert.equal(answer.status, 200, answer.reason);
    const arrived = await stage.application.only('/members');
    assert.deepEqual(
      [arrived.headers['x-forwarded-user'], arrived.headers['x-forwarded-groups'], arrived.headers.authorization],
      ['robot', 'staff', undefined],
    );
    await send('/members', `Bearer ${await token()}`);
    assert.ok((await stage.gateway.counter('accredit_token_verified')) >= 1);
  });

  it('remove identity headers of the client, also if they come on several lines', async () => {
    const lines = ['root', 'admin', 'robot'];
    await send('/members', `Bearer ${await token()}`, {
      headers: { 'x-forwarded-user': lines, 'x-forwarded-groups': lines, x_forwarded_user: lines, 'x-forwarded-email': lines },
    });
    const { rawHeaders } = await stage.application.only('/members');
    assert.deepEqual(
      rawHeaders.filter((_, place) => /forwarded.(user|groups|email)/.test(rawHeaders[place - 1] ?? '')),
      ['robot', 'staff'],
    );
  });

  for (const [what, status, reason, authorization] of [
    ['none', 401, 'token_missing', () => undefined],
    ['another scheme', 401, 'token_missing', () => 'Basic eDp5'],
    ['an expired one', 401, 'token_expired', async () => `Bearer ${await token({ exp: now() - 100 })}`],
    ['one for somebody else', 401, 'token_invalid', async () => `Bearer ${await token({ aud: 'other' })}`],
    ['one of another issuer', 401, 'token_invalid', async () => `Bearer ${await token({ iss: 'https://evil.example' })}`],
    ['one that is not a token', 401, 'token_invalid', () => 'Bearer x'],
    ['an unsigned one', 401, 'token_invalid', async () => `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.`],
    ['one with a forged signature', 401, 'token_invalid', async () => `Bearer ${(await token()).slice(0, -8)}AAAAAAAA`],
    [
      "one by a key of the same name that is not the provider's",
      401,
      'token_invalid',
      async () => `Bearer ${await token({}, { ...(await makeKey('RS256', 'of-somebody-else')), kid: stage.provider.keys[0].kid })}`,
    ],
    ['an ID token', 401, 'token_invalid', async () => `Bearer ${await token({ nonce: 'n' })}`],
    ['one without the scope', 403, 'scope_missing', async () => `Bearer ${await token({ scope: 'hooks:read' })}`],
    ['two', 400, 'token_ambiguous', async () => `Bearer ${await token()}, Bearer ${await token()}`],
    ['a huge one', 401, 'token_invalid', () => `Bearer ${'a'.repeat(20_000)}.b.c`],
  ]) {
    it(`${what}: ${status} ${reason}`, async () => {
      const answer = await send('/hooks', await authorization());
      assertProblem(answer, status, reason);
      assert.match(answer.headers['www-authenticate'], /^Bearer realm="http:\/\/localhost/);
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('are accepted at once with a key that was just published, and a flood of unknown keys does not cause a flood of fetches', async () => {
    const fresh = { ...(await makeKey('RS256', 'fresh')) };
    stage.provider.keys.push(fresh);
    assert.equal((await send('/members', `Bearer ${await token({}, fresh)}`)).status, 200);
    const before = stage.provider.count('keys');
    for (let i = 0; i < 30; i += 1) assert.equal((await send('/members', `Bearer ${await token({}, fresh, { kid: `nobody-${i}` })}`)).status, 401);
    assert.ok(stage.provider.count('keys') - before <= 4, `${stage.provider.count('keys') - before} fetches`);
    assert.equal((await send('/members', `Bearer ${await token({}, fresh)}`)).status, 200);
  });
});
