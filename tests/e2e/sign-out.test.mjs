// Sign-out ends sessions in bearer tokens, and every session among several cookies. It reports which credentials it could not end.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { now, sign } from './lib/misbehaving.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';

const JWT = { keys: ['a secret that services share, and long enough'], claims: ['email', 'email_verified', 'groups', 'preferred_username'], bearer: true };

describe('sessions as JWTs that are accepted as bearer tokens', () => {
  const stage = onStage({
    concurrency: 2,
    plugin: (configuration) => {
      configuration.session = { keys: configuration.session.keys, form: 'jwt', jwt: JWT, cookie: { name: 'access_token' } };
      configuration.providers[0].bearer = { audiences: ['api'] };
    },
  });
  let people = 0;

  /** The session of a new person. */
  async function session() {
    stage.provider.user = { sub: `person-${(people += 1)}`, email: 'a@example.com', email_verified: true, groups: ['oracle-ai-users'] };
    const visitor = await stage.signedIn();
    return visitor.jar.matching('localhost', '/').find(({ name }) => name === 'access_token').value;
  }
  const asToken = (token) => stage.visitor().send('/members', { headers: { authorization: `Bearer ${token}` } });
  const signOut = (headers) => stage.visitor().call('/api/logout', { method: 'POST', headers });

  /** Checks that after a tenth of a second neither worker accepts a session any more, neither as a cookie nor as a token. */
  async function assertEnded(token) {
    await new Promise((done) => setTimeout(done, 120));
    for (let connection = 0; connection < 6; connection += 1) {
      assertProblem(await asToken(token), 401, 'token_invalid');
      assertProblem(await stage.visitor().call('/members', { headers: { cookie: `access_token=${token}` } }), 401, 'session_expired');
    }
  }

  it('a session that comes as a bearer token ends', async () => {
    const [ending, staying] = [await session(), await session()];
    assert.equal((await asToken(ending)).status, 200);
    const answer = await signOut({ authorization: `Bearer ${ending}` });
    assert.deepEqual([answer.status, answer.json().logout], [200, 'ok']);
    await assertEnded(ending);
    assert.equal((await asToken(staying)).status, 200);
  });

  it('all valid sessions end among several cookies of one name and a token', async () => {
    const [one, two, three] = [await session(), await session(), await session()];
    const answer = await signOut({ cookie: `access_token=${one}; access_token=x.y.z; access_token=${two}`, authorization: `Bearer ${three}` });
    assert.deepEqual([answer.status, answer.json().logout], [200, 'ok']);
    for (const token of [one, two, three]) await assertEnded(token);
  });

  it('a token of the provider is reported as not ended, because only the provider can end it; a session beside it ends', async () => {
    const [mine, { issuer, standardKey }] = [await session(), stage.provider];
    const token = await sign(
      { iss: issuer, aud: 'api', sub: 'robot', iat: now(), exp: now() + 60, groups: ['oracle-ai-users'] },
      { alg: 'RS256', kid: 'rs-1', typ: 'JWT' },
      standardKey,
    );
    assert.equal((await asToken(token)).status, 200);
    assertProblem(await signOut({ cookie: `access_token=${mine}`, authorization: `Bearer ${token}` }), 400, 'sign_out_incomplete');
    assert.equal((await asToken(token)).status, 200);
    await assertEnded(mine);
  });
});

describe('sealed sessions', () => {
  const stage = onStage();

  it('both end if two came, one of them split into parts', async () => {
    const visitors = [];
    for (const groups of [['oracle-ai-users'], ['oracle-ai-users', ...Array.from({ length: 160 }, (_, number) => `a-group-with-a-long-name-${number}`)]]) {
      stage.provider.user = { sub: `person-${visitors.length}`, groups };
      visitors.push(await stage.signedIn());
    }
    const [whole, parts] = visitors.map((visitor) => visitor.jar.header('localhost', '/'));
    assert.match(parts, /__Host-accredit=\d\./);
    const answer = await stage.visitor().call('/api/logout', { method: 'POST', headers: { cookie: `${whole}; ${parts}` } });
    assert.deepEqual([answer.status, answer.json().logout], [200, 'ok']);
    for (const cookie of [whole, parts]) assertProblem(await stage.visitor().call('/members', { headers: { cookie } }), 401, 'session_expired');
  });
});
