// Sessions whose tokens are refreshed at the provider: once for all workers and tabs, and without delay for requests that need not wait.
//
// There are two workers, and each request has its own connection, so that both get requests. A refresh token can be used once; a second use ends the session at
// the provider, so that a refresh that is made twice shows as a sign-out. Where tokens must expire within a test, access tokens are valid for two seconds: that
// time must pass, because there is nothing else to wait for.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { answer } from './lib/misbehaving.mjs';
import { eventually, freePort, sleep } from './lib/process.mjs';
import { assertNoPanic, assertProblem, onStage, sessionCookies } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const SHORT = 2;
const untilTheTokensEnd = (seconds = SHORT) => sleep(seconds * 1000 + 100);
const forwarding = (configuration) => void (configuration.forward = { access_token: true });
const prepare = (provider) => {
  provider.rotates = true;
  provider.lifetime = SHORT;
};

/** The access tokens that the application got, each once. */
const tokensAt = (application) => [...new Set(application.requests.flatMap((request) => headerValues(request, 'x-forwarded-access-token')))];

/** Another tab of the same browser, with its current cookies. */
function tabOf(visitor) {
  const tab = new Visitor({ origin: visitor.origin });
  tab.jar = visitor.jar.clone();
  return tab;
}

const calls = (visitors, each = 10) => Promise.all(visitors.flatMap((visitor) => Array.from({ length: each }, () => visitor.call('/analytics'))));
const statuses = (answers) => [...new Set(answers.map(({ status, reason }) => [status, reason].join(' ').trim()))];

describe('a session whose access token is forwarded', () => {
  const stage = onStage({ concurrency: 2, plugin: forwarding, prepare });

  /** A person whose first access token has expired; the next one is valid for long. */
  async function withEndedTokens() {
    const visitor = await stage.signedIn();
    stage.provider.lifetime = 3600;
    await untilTheTokensEnd();
    return visitor;
  }

  it('waits for new tokens when they have ended: the provider is asked once for two tabs on two workers', async () => {
    const visitor = await withEndedTokens();
    const [tab, late] = [tabOf(visitor), tabOf(visitor)];
    assert.deepEqual(statuses(await calls([visitor, tab])), ['200']);
    assert.equal(stage.provider.refreshes(), 1);
    assert.equal(tokensAt(stage.application).length, 1);
    // A request that still has the old cookie gets the same tokens and the renewed cookie, and the old refresh token is not used again.
    const answers = await calls([late], 1);
    assert.equal(sessionCookies(answers[0]).length, 1);
    assert.match(String(answers[0].headers['cache-control']), /no-store/);
    assert.deepEqual(statuses(await calls([late, tab, visitor])), ['200']);
    assert.equal(tokensAt(stage.application).length, 1);
    assert.equal(stage.provider.refreshes(), 1);
  });

  it('is refreshed again and again, by whichever tab comes first, and the provider never sees a spent refresh token', async () => {
    const visitor = await stage.signedIn();
    const tab = tabOf(visitor);
    for (const round of [1, 2, 3]) {
      await untilTheTokensEnd();
      assert.deepEqual(statuses(await calls(round % 2 ? [visitor, tab] : [tab, visitor], 5)), ['200']);
    }
    const brought = stage.provider.received.token.map(({ form }) => form.get('refresh_token')).filter(Boolean);
    assert.ok(brought.length >= 3);
    assert.equal(new Set(brought).size, brought.length);
  });

  it('is refreshed in the background while its tokens are good: no request waits for it', async () => {
    stage.provider.lifetime = 8;
    const visitor = await stage.signedIn();
    let release;
    const held = new Promise((done) => (release = done));
    stage.provider.lies.refreshed = (body) => held.then(() => body);
    stage.provider.lifetime = 3600;
    // Two seconds before the tokens expire, the provider is asked, and does not answer. Meanwhile, no request waits.
    await eventually('the provider is asked', async () => {
      assert.deepEqual(statuses(await calls([visitor], 1)), ['200']);
      return stage.provider.refreshes() === 1;
    });
    assert.deepEqual(statuses(await calls([visitor], 3)), ['200']);
    assert.equal(tokensAt(stage.application).length, 1);
    release();
    await eventually('the new token goes upstream', async () => {
      assert.deepEqual(statuses(await calls([visitor], 1)), ['200']);
      return tokensAt(stage.application).length === 2;
    });
    assert.equal(stage.provider.refreshes(), 1);
  });

  it('loses nothing if a client leaves while it waits', async () => {
    const visitor = await withEndedTokens();
    let release;
    const held = new Promise((done) => (release = done));
    stage.provider.lies.refreshed = (body) => held.then(() => body);
    const leaving = http.get({
      host: '127.0.0.1',
      port: stage.gateway.port,
      path: '/analytics',
      headers: { host: stage.gateway.host, cookie: visitor.jar.header('localhost', '/analytics') },
    });
    leaving.on('error', () => {});
    await eventually('the provider is asked', () => stage.provider.refreshes() === 1);
    leaving.destroy();
    release();
    assert.deepEqual(statuses(await calls([visitor])), ['200']);
    assert.equal(stage.provider.refreshes(), 1);
  });

  it('ends when the provider refuses finally: 401, the cookie is deleted, and a navigation is redirected to sign in', async () => {
    const visitor = await withEndedTokens();
    const tab = tabOf(visitor);
    stage.provider.intercept.token = (_, response) => answer(response, 400, { error: 'invalid_grant' });
    const before = await stage.gateway.counter('accredit_refresh_failed_refresh_refused');
    assertProblem(await visitor.call('/analytics'), 401, 'session_expired');
    assert.equal(visitor.jar.get('localhost', '__Host-accredit'), undefined);
    assert.equal((await stage.gateway.counter('accredit_refresh_failed_refresh_refused')) - before, 1);
    // It has also ended for the other tab, on both workers, and the provider is not asked again.
    assert.deepEqual(statuses(await calls([tab], 6)), ['401 session_expired']);
    assert.equal(stage.provider.refreshes(), 1);
    assert.deepEqual(stage.application.requests, []);
    stage.provider.intercept = {};
    assert.equal((await visitor.signIn('/analytics')).status, 200);
  });

  it('continues while its tokens are valid and the provider fails; then 503 with Retry-After, without redirect; and continues when the provider is back', async () => {
    stage.provider.lifetime = 8;
    const visitor = await stage.signedIn();
    stage.provider.intercept.token = (_, response) => answer(response, 500, { error: 'out of order' });
    await eventually('the provider was asked in vain', async () => {
      assert.deepEqual(statuses(await calls([visitor], 1)), ['200']);
      return stage.provider.refreshes() >= 1;
    });
    let refused;
    await eventually(
      'the tokens have ended',
      async () => {
        refused = await visitor.call('/analytics');
        return refused.status !== 200;
      },
      { every: 200 },
    );
    assertProblem(refused, 503, 'refresh_unavailable');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    const page = await visitor.open('/analytics');
    assert.deepEqual([page.status, page.reason], [503, 'refresh_unavailable']);
    assert.ok(stage.provider.refreshes() < 12, 'attempts are spaced out');
    stage.provider.intercept = {};
    stage.provider.lifetime = 3600;
    await eventually('the session goes on', async () => (await visitor.call('/analytics')).status === 200, { within: 15_000, every: 200 });
    assert.match(stage.gateway.log(), /"ended":false,"event":"refresh_failed"/);
  });

  it('stays ended if it was signed out during a refresh', async () => {
    const visitor = await withEndedTokens();
    let release;
    const held = new Promise((done) => (release = done));
    stage.provider.lies.refreshed = (body) => held.then(() => body);
    const tab = tabOf(visitor);
    const waiting = tab.call('/analytics');
    await eventually('the provider is asked', () => stage.provider.refreshes() === 1);
    assert.equal((await visitor.call('/api/logout', { method: 'POST' })).status, 200);
    release();
    const late = await waiting;
    assert.deepEqual([late.status, late.reason], [401, 'session_expired']);
    assert.deepEqual(sessionCookies(late), []);
    assert.deepEqual(stage.application.requests, []);
  });

  it('leaves no token in the log', () => {
    assert.doesNotMatch(stage.gateway.log(), /refresh-[0-9a-f]{8}-|access-[0-9a-f]{8}-/);
  });
});

describe('a session that follows the provider', () => {
  const follow = (configuration) => void (configuration.session.follow_provider = true);
  const stage = onStage({ concurrency: 2, plugin: follow, prepare });

  it('is valid as long as its tokens, and is extended by refreshing them; the application gets no token', async () => {
    const visitor = await stage.signedIn();
    stage.provider.lifetime = 3600;
    stage.provider.user.groups = ['others'];
    await untilTheTokensEnd();
    assert.deepEqual(statuses(await calls([visitor])), ['200']);
    assert.equal(stage.provider.refreshes(), 1);
    assert.deepEqual(tokensAt(stage.application), []);
    // The identity is that of the new ID token.
    assert.deepEqual(headerValues(stage.application.requests[0], 'x-forwarded-groups'), ['others']);
  });

  it('ends with its tokens if there is no refresh token, and the log says so', async () => {
    stage.provider.rotates = false;
    stage.provider.lifetime = 30;
    const visitor = stage.visitor();
    assert.equal((await visitor.signIn('/analytics')).status, 200);
    assert.ok((await visitor.call('/api/session')).json().expires_at <= Date.now() / 1000 + 30);
    assert.match(stage.gateway.log(), /"event":"refresh_token_missing"/);
    assert.ok((await stage.gateway.counter('accredit_refresh_token_missing')) >= 1);
  });
});

describe('with a certified provider that rotates refresh tokens and detects their reuse', () => {
  const LIFE = 3;
  const stage = {};
  const outcomes = [];

  before(async () => {
    const port = await freePort();
    const ttl = { AccessToken: LIFE, AuthorizationCode: 60, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 86400 };
    stage.provider = await startDemoProvider(`http://localhost:${port}`, { configuration: { rotateRefreshToken: true, ttl } });
    for (const event of ['grant.success', 'grant.error']) {
      stage.provider.provider.on(event, (context) => context.oidc.params.grant_type === 'refresh_token' && outcomes.push(event));
    }
    stage.application = await Application.start();
    stage.gateway = await startGateway({ port, concurrency: 2, provider: stage.provider, application: stage.application, plugin: forwarding });
  });
  beforeEach(() => stage.application.forget());
  after(async () => {
    await stage.gateway?.stop();
    await stage.provider?.stop();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });

  it('two tabs on two workers stay signed in over several rounds, each refreshed once', async () => {
    const alice = await signInAs(stage.gateway, 'alice');
    assert.equal(alice.landing.status, 200);
    const tab = tabOf(alice);
    const rounds = [1, 2, 3];
    for (const round of rounds) {
      await untilTheTokensEnd(LIFE);
      assert.deepEqual(statuses(await calls(round % 2 ? [tab, alice] : [alice, tab], 6)), ['200'], `round ${round}`);
    }
    assert.equal(outcomes.includes('grant.error'), false, 'the provider refused a refresh token');
    assert.equal(outcomes.length, rounds.length);
  });
});
