// envoy/bff.yaml as shipped: who can sign in, who may do what, and what reaches the application.
//
// Only the ports of the file are changed. The provider is the demo's, which is certified, with alice and bob. The application records requests, so that every
// test can check what arrived there and what did not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onDemoStage, signInAs } from './lib/demo.mjs';
import { eventually } from './lib/process.mjs';
import { assertProblem, assertRefused, assertSafePage, sessionCookies } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

const stage = onDemoStage();

describe('signing in', () => {
  it('goes from the page to the provider and back to the page', () => {
    assert.deepEqual(stage.alice.landing.trail.at(-2).status, 303);
    assert.deepEqual([stage.alice.landing.status, stage.alice.landing.url.pathname], [200, '/analytics']);
  });

  it('leaves one session cookie that only the gateway can read, and of the attempt only its place, for two minutes', () => {
    const callback = stage.alice.landing.trail.at(-2);
    const [cookie, ...more] = sessionCookies(callback);
    assert.deepEqual(more, []);
    const { path, httponly, secure, samesite, domain } = cookie.attributes;
    assert.deepEqual([path, httponly, secure, samesite, domain], ['/', true, true, 'Lax', undefined]);
    assert.ok(Number(cookie.attributes['max-age']) <= 8 * 3600 && Number(cookie.attributes['max-age']) > 7 * 3600);
    assert.match(callback.headers['cache-control'], /no-store/);
    assert.equal(/alice|example|staff/.test(Buffer.from(cookie.value, 'base64url').toString('latin1')), false, 'the cookie shows its content');
    assert.deepEqual(stage.alice.jar.rejected, []);
    const left = callback.cookies.filter(({ name }) => name.includes('-attempt-'));
    assert.deepEqual(
      left.map(({ attributes }) => attributes['max-age']),
      ['120'],
    );
  });

  it('works the same over HTTP/2', async () => {
    const carol = await signInAs(stage.gateway, 'alice', { path: '/members?over=2', http2: true });
    assert.deepEqual([carol.landing.status, carol.landing.url.search], [200, '?over=2']);
    assert.equal((await carol.call('/api/chat')).status, 200);
    assert.equal((await stage.nobody({ http2: true }).call('/api/chat')).status, 401);
    carol.close();
  });

  it('shows the wrong password to the provider only, and says so when the person cancels', async () => {
    const visitor = stage.nobody();
    const form = await visitor.follow(await visitor.open('/analytics'));
    const again = await visitor.submit(form, { login: 'alice', password: 'wrong', action: 'login' });
    assert.equal(again.status, 401);
    const cancelled = await visitor.follow(await visitor.submit(again, { login: 'alice', password: 'wrong', action: 'cancel' }));
    assertRefused(cancelled, 403, 'authorization_denied');
    assertSafePage(cancelled);
    assert.match(cancelled.body, /\/api\/login/, 'the page offers another try');
    assert.equal(stage.gateway.log().includes('alice-password'), false);
  });
});

describe('who may do what', () => {
  /** [who, method, path, status]; 'page' is a navigation, 'script' is a call by a page of this origin. */
  const TABLE = [
    ['nobody', 'page', '/', 200],
    ['nobody', 'page', '/chat', 200],
    ['nobody', 'page', '/chat?x=/api/chat', 200],
    ['nobody', 'page', '/analytics', 302],
    ['nobody', 'page', '/members', 302],
    ['nobody', 'page', '/nowhere', 302],
    ['nobody', 'page', '/chat/more', 302],
    ['nobody', 'page', '/Chat', 302],
    ['nobody', 'page', '/analytics?/chat', 302],
    ['nobody', 'script', '/api/chat', 401],
    ['nobody', 'script', '/api/analytics', 401],
    ['nobody', 'script', '/api/headers', 401],
    ['nobody', 'script', '/members', 401],
    ['alice', 'page', '/', 200],
    ['alice', 'page', '/members', 200],
    ['alice', 'page', '/members/', 200],
    ['alice', 'page', '/members/list', 200],
    ['alice', 'script', '/api/chat', 200],
    ['alice', 'script', '/api/analytics', 200],
    ['bob', 'page', '/analytics', 200],
    ['bob', 'script', '/api/analytics', 200],
    ['bob', 'page', '/members', 403],
    ['bob', 'page', '/members/list', 403],
    ['bob', 'script', '/api/chat', 403],
    ['bob', 'script', '/api/chat/more', 403],
    ['bob', 'script', '/api/chatter', 200],
  ];

  for (const [who, how, path, status] of TABLE) {
    it(`${who} gets ${status} for ${path} by ${how}`, async () => {
      const visitor = { alice: stage.alice, bob: stage.bob, nobody: stage.nobody() }[who];
      const answer = how === 'page' ? await visitor.open(path) : await visitor.call(path);
      assert.equal(answer.status, status, answer.reason);
      assert.equal(stage.application.requests.length, status === 200 ? 1 : 0);
    });
  }

  it('a script without a session gets a problem document that says how to sign in', async () => {
    const answer = await stage.nobody().call('/api/chat');
    const problem = assertProblem(answer, 401, 'session_missing');
    assert.equal(problem.sign_in, '/api/login');
    assert.match(answer.headers['www-authenticate'], /^Cookie realm="http:\/\/localhost:\d+", form-action="\/api\/login", cookie-name="__Host-accredit"$/);
    assert.deepEqual(answer.cookies, [], 'a script starts no attempt');
  });

  it('a program that sends no Sec-Fetch headers gets 401, or a redirect if it accepts HTML', async () => {
    assertProblem(await stage.nobody().send('/analytics'), 401, 'session_missing');
    assert.equal((await stage.nobody().send('/analytics', { headers: { accept: 'text/html' } })).status, 302);
    assertProblem(await stage.nobody().send('/analytics', { headers: { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' } }), 401, 'session_missing');
    assertProblem(await stage.nobody().send('/analytics', { method: 'POST', headers: { accept: 'text/html' }, body: 'x' }), 401, 'session_missing');
    assertProblem(await stage.nobody().send('/analytics', { headers: { accept: 'text/html', 'sec-fetch-mode': 'cors' } }), 401, 'session_missing');
  });

  it('bob sees a page that says why, how to ask for access, and how to use another account; a program gets a problem', async () => {
    const page = await stage.bob.open('/members');
    assertRefused(page, 403, 'condition_failed');
    assertSafePage(page);
    for (const part of [/access denied/i, /ask for access/i, /another account/i, /href="\/api\/login\?/]) assert.match(page.body, part);
    assertProblem(await stage.bob.call('/api/chat'), 403, 'condition_failed');
  });

  it('HEAD gets the same decision as GET', async () => {
    assert.equal((await stage.nobody().open('/analytics', { method: 'HEAD' })).status, 302);
    assert.equal((await stage.alice.open('/members', { method: 'HEAD' })).status, 200);
    assert.equal((await stage.bob.open('/members', { method: 'HEAD' })).status, 403);
  });
});

describe('what reaches the application', () => {
  it('is the identity, in the headers that other proxies use', async () => {
    await stage.alice.open('/analytics');
    const arrived = await stage.application.only('/analytics');
    for (const [name, value] of [
      ['user', 'alice'],
      ['email', 'alice@example.com'],
      ['groups', 'oracle-ai-users,staff'],
      ['preferred-username', 'alice'],
    ])
      assert.deepEqual(headerValues(arrived, `x-forwarded-${name}`), [value]);
    for (const name of ['x-forwarded-access-token', 'x-forwarded-id-token', 'authorization']) assert.deepEqual(headerValues(arrived, name), []);
  });

  it('is the identity on a public page too, if there is a session', async () => {
    await stage.alice.open('/');
    assert.deepEqual(headerValues(await stage.application.only('/'), 'x-forwarded-user'), ['alice']);
  });

  const NAMES = [
    'x-forwarded-user',
    'x-forwarded-email',
    'x-forwarded-groups',
    'x-forwarded-preferred-username',
    'x-forwarded-access-token',
    'x-forwarded-id-token',
  ];
  const SPELLINGS = [
    (name) => name,
    (name) => name.toUpperCase(),
    (name) => name.replaceAll('-', '_'),
    (name) => name.replace('-', '_'),
    (name) => name.toUpperCase().replaceAll('-', '_'),
    (name) => name.replace(/-([^-]*)$/, '_$1'),
  ];

  for (const [who, visitor, path, method, identity] of [
    ['nobody on a public page', () => stage.nobody(), '/', 'GET', []],
    ['nobody on a public page, by POST', () => stage.nobody(), '/chat', 'POST', []],
    ['nobody on a public page, by OPTIONS', () => stage.nobody(), '/', 'OPTIONS', []],
    ['bob', () => stage.bob, '/analytics', 'GET', ['bob']],
    ['bob by POST', () => stage.bob, '/api/analytics', 'POST', ['bob']],
    ['bob by OPTIONS', () => stage.bob, '/analytics', 'OPTIONS', ['bob']],
  ]) {
    it(`is never an identity that ${who} claims in a header, in any spelling`, async () => {
      const headers = Object.fromEntries(NAMES.flatMap((name) => SPELLINGS.map((spell) => [spell(name), 'root'])));
      const answer = await visitor().call(path, { method, headers, body: method === 'POST' ? 'x' : undefined });
      assert.equal(answer.status, 200, answer.reason);
      const arrived = await stage.application.only(path);
      assert.equal(arrived.rawHeaders.includes('root'), false, JSON.stringify(arrived.rawHeaders));
      assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), identity);
    });
  }

  it('includes the identity even if Connection names its headers', async () => {
    const answer = await stage.bob.send('/analytics', { headers: { connection: 'close, x-forwarded-user, x-forwarded-groups' } });
    if (answer.status === 400) return assert.deepEqual(stage.application.requests, []);
    assert.deepEqual(headerValues(await stage.application.only('/analytics'), 'x-forwarded-user'), ['bob']);
  });

  it('is every cookie of others, byte for byte, and none of ours', async () => {
    for (const [before, between, after, expected] of [
      ['theme=dark; ', '', '; lang=de', 'theme=dark; lang=de'],
      ['', '', '', undefined],
      ['a="quoted, value"; ', '', '; b=1=2', 'a="quoted, value"; b=1=2'],
      ['__Host-accreditation=x; ', '__Host-accredit-attempt-zzz=1; ', '; accredit=y', '__Host-accreditation=x; accredit=y'],
    ]) {
      stage.application.forget();
      const cookie = `${before}${between}${stage.alice.jar.header('localhost', '/')}${after}`;
      assert.equal((await stage.nobody().send('/analytics', { headers: { cookie } })).status, 200);
      assert.equal((await stage.application.only('/analytics')).headers.cookie, expected);
    }
  });

  it('is never our session cookie, valid or forged, on a public page either', async () => {
    await stage.nobody().send('/', { headers: { cookie: '__Host-accredit=forged; theme=dark; __Host-accredit-1=forged' } });
    assert.equal((await stage.application.only('/')).headers.cookie, 'theme=dark');
  });

  it('is the whole body, chunked, with its trailers', async () => {
    const answer = await stage.alice.call('/api/chat', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked', trailer: 'x-checksum', 'content-type': 'text/plain' },
      body: (request) => {
        for (let i = 0; i < 64; i += 1) request.write('0123456789'.repeat(100));
        request.addTrailers({ 'x-checksum': 'abc' });
        request.end();
      },
    });
    assert.equal(answer.status, 200, answer.reason);
    const arrived = await stage.application.only('/api/chat');
    assert.equal(arrived.body.length, 64_000);
    assert.deepEqual({ ...arrived.trailers }, { 'x-checksum': 'abc' });
  });

  it('is no identity in trailers, which some servers merge into the headers', async () => {
    const answer = await stage.alice.call('/api/chat', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked', trailer: 'x-forwarded-user', 'content-type': 'text/plain' },
      body: (request) => {
        request.write('one');
        request.addTrailers({ 'x-forwarded-user': 'root', x_forwarded_groups: 'admins', 'x-checksum': 'abc' });
        request.end();
      },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual({ ...(await stage.application.only('/api/chat')).trailers }, { 'x-checksum': 'abc' });
  });

  it('is no part of a refused upload, chunked and with trailers', async () => {
    for (const visitor of [stage.nobody(), stage.bob]) {
      const answer = await visitor
        .call('/api/chat', {
          method: 'POST',
          headers: { 'transfer-encoding': 'chunked', trailer: 'x-checksum' },
          body: (request) => {
            request.write('secret');
            setTimeout(() => (request.addTrailers({ 'x-checksum': 'abc' }), request.end('more')), 100);
          },
        })
        .catch((error) => ({ status: error.code }));
      assert.ok([401, 403, 'ECONNRESET', 'EPIPE'].includes(answer.status), String(answer.status));
    }
    assert.deepEqual(stage.application.requests, []);
  });

  it('is an upload of megabytes, which is not buffered', async () => {
    const answer = await stage.alice.call('/api/analytics', { method: 'POST', body: 'x'.repeat(5_000_000) });
    assert.equal(answer.status, 200);
    assert.equal((await stage.application.only('/api/analytics')).body.length, 5_000_000);
  });

  it("does not change the application's answer, except caching that would let other people get it", async () => {
    stage.application.respond = (_, response) => {
      response.writeHead(418, { 'set-cookie': ['own=1; Path=/', 'other=2'], 'cache-control': 'public, max-age=60' }).end('teapot');
    };
    const visitor = stage.nobody();
    visitor.jar = stage.alice.jar.clone();
    const answer = await visitor.call('/api/analytics');
    assert.deepEqual(
      [answer.status, answer.body, answer.headers['cache-control'], answer.headers['set-cookie']],
      [418, 'teapot', 'private, max-age=60', ['own=1; Path=/', 'other=2']],
    );
  });
});

it('tells the access log who asked and which rule decided, and no secret', async () => {
  await stage.alice.open('/members?token=secret-in-query');
  const line = await eventually('the access log has the request', () =>
    stage.gateway.accessLog().findLast(({ path, subject }) => path === '/members' && subject === 'alice'),
  );
  assert.deepEqual([line.subject, line.rule, line.status], ['alice', 'rules[2]', 200]);
  assert.equal(stage.gateway.log().includes('secret-in-query'), false);
});
