// What most test files need: the misbehaving provider, the recording application and one gateway between them, for one `describe`.
//
// Before each test the provider behaves again and the application has forgotten what it saw. After the last one everything is stopped, and the log of
// the gateway must not show that the filter ever panicked.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { Visitor } from './client.mjs';
import { startGateway } from './gateway.mjs';
import { Provider } from './misbehaving.mjs';
import { Application } from './upstream.mjs';

/** Call it inside `describe`; its properties are there when the tests run. `prepare(provider)` is applied whenever the provider starts to behave again. */
export function onStage({ prepare = () => {}, ...options } = {}) {
  const stage = {
    /** A new browser, with no cookie. */
    visitor: (more) => new Visitor(stage.gateway, more),
    /** A new browser, signed in as the provider's present user. */
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

export function assertNoPanic(gateway) {
  const traces = gateway
    .log()
    .split('\n')
    .filter((line) => /panicked at|RuntimeError|proxy_\w+ failed|Wasm VM failed(?! Failed to configure)|assert failure|Segmentation|Caught signal/i.test(line));
  assert.deepEqual(traces, [], 'the log shows that the filter panicked');
}

/** None of these secrets stands in the log. */
export function assertNotTold(gateway, secrets) {
  const told = gateway.log();
  assert.deepEqual(
    secrets.filter((secret) => secret?.length > 8 && told.includes(secret)),
    [],
    'secrets in the log',
  );
}

/** An answer of the filter's own that refuses: this status, this reason, not to be stored, and no session with it. */
export function assertRefused(answer, status, reason) {
  assert.deepEqual([answer.status, answer.reason], [status, reason], answer.body.slice(0, 400));
  assert.match(String(answer.headers['cache-control']), /no-store/);
  assert.deepEqual(sessionCookies(answer), [], 'a refusal brought a session');
  if (answer.headers['content-type']?.startsWith('text/html')) assertSafePage(answer);
}

/** A page of the filter's own: nothing runs in it but what it brings, nobody frames it. */
export function assertSafePage(page) {
  assert.match(page.headers['content-security-policy'], /default-src 'none'/);
  assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
}

/** A problem document, RFC 9457, that names its reason and the request. */
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
