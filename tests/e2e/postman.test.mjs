// envoy/login-microservices.yaml as people try it, with the demo's services: by curl, and by the Postman collection, which Newman runs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import newman from 'newman';
import { startDemoApplication, startDemoUsers } from './lib/demo.mjs';
import { namesOf, startGateway } from './lib/gateway.mjs';
import { ROOT } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';

const COLLECTION = JSON.parse(readFileSync(join(ROOT, 'deploy/demo/login-microservices.postman_collection.json'), 'utf8'));
const EXPIRED = 'Call a service with an expired token';

describe('login-microservices', () => {
  let users, application, gateway;
  before(async () => {
    users = await startDemoUsers();
    application = await startDemoApplication();
    gateway = await startGateway({ scenario: 'login-microservices', users, application });
  });
  after(async () => {
    for (const part of [gateway, users, application]) await part?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  /** A token that was signed with the right key, an hour and a minute ago. */
  const expired = () => {
    const issued = Math.floor(Date.now() / 1000) - 3660;
    return new SignJWT({ ...namesOf('login-microservices'), origin: gateway.origin, sub: '1', iat: issued, exp: issued + 3600 })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .sign(new TextEncoder().encode(gateway.jwtSecret));
  };

  function run(variables) {
    const envVar = Object.entries(variables).map(([key, value]) => ({ key, value }));
    return new Promise((done, failed) =>
      newman.run({ collection: structuredClone(COLLECTION), envVar, reporters: [], timeout: 60_000 }, (error, summary) =>
        error ? failed(error) : done(summary.run),
      ),
    );
  }

  /** The requests that were sent, in order, and the failures. */
  const outcome = ({ executions, failures }) => ({
    sent: executions.filter(({ response }) => response).map(({ item }) => item.name.replace(/^\d\. /, '')),
    failures: failures.map(({ source, error }) => `${source?.name}: ${error.test ?? ''} ${error.message}`),
  });
  const STEPS = COLLECTION.item.map(({ name }) => name.replace(/^\d\. /, ''));

  it('by curl: one command gets a token, one uses it, and a missing, an expired and a forged token each have their own reason', async () => {
    const curl = async (...options) => {
      const { stdout } = await promisify(execFile)('curl', ['-s', '-w', '\n%{http_code}', ...options]);
      const [, body, status] = /^(.*)\n(\d+)$/s.exec(stdout);
      return { status: Number(status), body: JSON.parse(body) };
    };
    const logIn = (password) => curl('-H', 'Content-Type: application/json', '-d', JSON.stringify({ username: 'alice', password }), `${gateway.origin}/login`);
    const use = (...token) => curl(...token.flatMap((text) => ['-H', `Authorization: Bearer ${text}`]), `${gateway.origin}/api/headers`);

    const { status, body } = await logIn('alice-password');
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).toSorted(), ['access_token', 'expires_in', 'token_type']);
    const used = await use(body.access_token);
    assert.deepEqual([used.status, used.body.headers['x-forwarded-role'], used.body.headers.authorization], [200, 'admin', undefined]);
    const forged = body.access_token.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'));
    for (const [refused, reason] of [
      [await logIn('wrong'), 'credentials_refused'],
      [await use(), 'token_missing'],
      [await use(await expired()), 'token_expired'],
      [await use(forged), 'token_invalid'],
    ])
      assert.deepEqual([refused.status, refused.body.reason], [401, reason]);
  });

  it('by Postman: the collection passes, and every step has its own assertions', async () => {
    const { executions, ...rest } = await run({ baseUrl: gateway.origin, expiredToken: await expired() });
    assert.deepEqual(outcome({ executions, ...rest }), { sent: STEPS, failures: [] });
    assert.deepEqual(
      executions.map(({ assertions }) => (assertions ?? []).length),
      [2, 1, 1, 1, 1, 1],
    );
  });

  it('by Postman: only one step is skipped if there is no expired token', async () => {
    const result = await run({ baseUrl: gateway.origin });
    assert.deepEqual(outcome(result), { sent: STEPS.filter((step) => step !== EXPIRED), failures: [] });
  });

  it('by Postman: the collection fails if the "expired" token has not expired', async () => {
    const { stats, failures } = await run({
      baseUrl: gateway.origin,
      expiredToken: (
        await (
          await fetch(`${gateway.origin}/login`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ username: 'alice', password: 'alice-password' }),
          })
        ).json()
      ).access_token,
    });
    assert.deepEqual([stats.assertions.failed, failures.map(({ source }) => source.name)], [1, [`5. ${EXPIRED}`]]);
  });
});
