// The Postman collection of login-microservices, run by Newman against the shipped file and the demo's services: its own assertions are the test.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import newman from 'newman';
import { startDemoApplication, startDemoUsers } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { ROOT } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';

const COLLECTION = JSON.parse(readFileSync(join(ROOT, 'deploy/demo/login-microservices.postman_collection.json'), 'utf8'));
const EXPIRED = 'Call a service with an expired token';

describe('the Postman collection', () => {
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

  /** Signed with the right key, an hour and a minute ago. */
  const expired = () => {
    const issued = Math.floor(Date.now() / 1000) - 3660;
    return new SignJWT({ sub: '1', iat: issued, exp: issued + 3600 }).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(new TextEncoder().encode(gateway.jwtSecret));
  };

  function run(variables) {
    const envVar = Object.entries(variables).map(([key, value]) => ({ key, value }));
    return new Promise((done, failed) => newman.run({ collection: structuredClone(COLLECTION), envVar, reporters: [], timeout: 60_000 }, (error, summary) => (error ? failed(error) : done(summary.run))));
  }

  /** Which requests were sent, in order, and what went wrong. */
  const outcome = ({ executions, failures }) => ({
    sent: executions.filter(({ response }) => response).map(({ item }) => item.name.replace(/^\d\. /, '')),
    failures: failures.map(({ source, error }) => `${source?.name}: ${error.test ?? ''} ${error.message}`),
  });
  const STEPS = COLLECTION.item.map(({ name }) => name.replace(/^\d\. /, ''));

  it('passes, every step with assertions of its own', async () => {
    const { executions, ...rest } = await run({ baseUrl: gateway.origin, expiredToken: await expired() });
    assert.deepEqual(outcome({ executions, ...rest }), { sent: STEPS, failures: [] });
    assert.deepEqual(executions.map(({ assertions }) => (assertions ?? []).length), [2, 1, 1, 1, 1, 1]);
  });

  it('leaves one step out, and no other, when no expired token is given', async () => {
    const result = await run({ baseUrl: gateway.origin });
    assert.deepEqual(outcome(result), { sent: STEPS.filter((step) => step !== EXPIRED), failures: [] });
  });

  it('fails when a token that has not expired is given as one', async () => {
    const { stats, failures } = await run({ baseUrl: gateway.origin, expiredToken: (await (await fetch(`${gateway.origin}/login`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'alice', password: 'alice-password' }),
    })).json()).access_token });
    assert.deepEqual([stats.assertions.failed, failures.map(({ source }) => source.name)], [1, [`5. ${EXPIRED}`]]);
  });
});
