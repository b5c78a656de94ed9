// What most test files need, for one `describe`: the misbehaving provider, the recording application, and a gateway between them.
//
// Before each test, the provider returns to correct behaviour and the application forgets its requests. After the last test, everything is stopped, and the
// gateway's log is checked for panics of the filter.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { Visitor } from './client.mjs';
import { startGateway } from './gateway.mjs';
import { Provider } from './misbehaving.mjs';
import { Application } from './upstream.mjs';

/** To be called inside `describe`; its properties exist when the tests run. `prepare(provider)` is called each time after the provider's `behave()`. */
export function onStage({ prepare = () => {}, ...options } = {}) {
  const stage = {
    /** A new browser, with no cookie. */
    visitor: (more) => new Visitor(stage.gateway, more),
    /** A new browser, signed in as the current user of the provider. */
    async signedIn(more) {
      const visitor = stage.visitor(more);
      const landing = await visitor.signIn('/analytics');
      assert.equal(landing.status, 200, `the sign-in failed: ${landing.reason} ${landing.url}`);
      stage.application.forget();
      return visitor;
    },
  };
  before(async () => {
    stage.provider = await Provider.start();
    await prepare(stage.provider);
    stage.application = await Application.start();
    stage.gateway = await startGateway({ provider: stage.provider, application: stage.application, ...options });
  });
  beforeEach(async () => {
    stage.provider.behave();
    await prepare(stage.provider);
    stage.application.forget();
  });
  afterEach(() => assert.deepEqual(stage.provider?.faults ?? [], [], 'the provider of this test is itself at fault'));
  after(async () => {
    await stage.gateway?.stop();
    await stage.provider?.stop();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });
  return stage;
}

/** For files that start parts of their own: `keep` remembers one, `stopAll` stops them in the reverse order, and checks gateways for panics. */
export function keepingParts() {
  const parts = [];
  return {
    keep: (part) => (parts.push(part), part),
    async stopAll() {
      for (const part of parts.splice(0).reverse()) {
        await part.stop();
        if (part.auditLog) assertNoPanic(part);
      }
    },
  };
}

export function assertNoPanic(gateway) {
  const traces = gateway
    .log()
    .split('\n')
    .filter((line) => /panicked at|RuntimeError|proxy_\w+ failed|Wasm VM failed(?! Failed to configure)|assert failure|Segmentation|Caught signal/i.test(line));
  assert.deepEqual(traces, [], 'the log shows that the filter panicked');
}

/** Checks that none of these secrets is in the log. */
export function assertNotTold(gateway, secrets) {
  const told = gateway.log();
  assert.deepEqual(
    secrets.filter((secret) => secret?.length > 8 && told.includes(secret)),
    [],
    'secrets in the log',
  );
}

/** Checks that an answer is a refusal of the filter: with this status and reason, not to be stored, and without a session. */
export function assertRefused(answer, status, reason) {
  assert.deepEqual([answer.status, answer.reason], [status, reason], answer.body.slice(0, 400));
  assert.match(String(answer.headers['cache-control']), /no-store/);
  assert.deepEqual(sessionCookies(answer), [], 'a refusal brought a session');
  if (answer.headers['content-type']?.startsWith('text/html')) assertSafePage(answer);
}

/** Checks that a page of the filter runs nothing from elsewhere and cannot be framed. */
export function assertSafePage(page) {
  assert.match(page.headers['content-security-policy'], /default-src 'none'/);
  assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
}

/** Checks that an answer is a problem document (RFC 9457) with its reason and the request's id. */
export function assertProblem(answer, status, reason) {
  assertRefused(answer, status, reason);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  const problem = answer.json();
  assert.deepEqual([problem.status, problem.reason], [status, reason]);
  for (const member of ['type', 'title', 'detail', 'request_id']) assert.equal(typeof problem[member], 'string', `the problem has no ${member}`);
  return problem;
}

/** The session cookies that an answer sets (not those it deletes). */
export function sessionCookies(answer, name = '__Host-accredit') {
  return (answer.cookies ?? []).filter((cookie) => new RegExp(`^${name}(-\\d+)?$`).test(cookie.name) && cookie.expires > Date.now());
}

export function attemptCookies(answer) {
  return answer.cookies.filter((cookie) => cookie.name.startsWith('__Host-accredit-attempt-') && cookie.expires > Date.now());
}
