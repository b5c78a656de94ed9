// System E as shipped: envoy/bff.yaml with nothing changed but ports, the demo's certified provider, alice and bob.
//
// The application behind is one that records, so that every test can say what arrived there and what did not.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { assertNoPanic, assertProblem, assertRefused, assertSafePage, sessionCookies } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

let gateway, provider, application, alice, bob;
const nobody = (options) => new Visitor(gateway, options);

/** HTTP/1.1 drops trailers unless both sides are told to keep them; the tests want to see them arrive. */
function keepTrailers(bootstrap) {
  const [listener] = bootstrap.static_resources.listeners;
  managerOf(listener).http_protocol_options = { ...managerOf(listener).http_protocol_options, enable_trailers: true };
  const cluster = bootstrap.static_resources.clusters.find(({ name }) => name === 'application');
  cluster.typed_extension_protocol_options = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: { enable_trailers: true } },
    },
  };
}

before(async () => {
  const port = await freePort();
  provider = await startDemoProvider(`http://localhost:${port}`);
  application = await Application.start();
  gateway = await startGateway({ port, provider, application, envoy: keepTrailers });
  alice = await signInAs(gateway, 'alice');
  bob = await signInAs(gateway, 'bob');
});
beforeEach(() => application.forget());
after(async () => {
  await gateway?.stop();
  await provider?.stop();
  await application?.stop();
  if (gateway) assertNoPanic(gateway);
});

describe('signing in', () => {
  it('goes from the page to the provider and back to the page', () => {
    assert.deepEqual(alice.landing.trail.at(-2).status, 303);
    assert.deepEqual([alice.landing.status, alice.landing.url.pathname], [200, '/analytics']);
  });

  it('leaves one session cookie that only the gateway can read, and no attempt', () => {
    const callback = alice.landing.trail.at(-2);
    const [cookie, ...more] = sessionCookies(callback);
    assert.deepEqual(more, []);
    const { path, httponly, secure, samesite, domain } = cookie.attributes;
    assert.deepEqual([path, httponly, secure, samesite, domain], ['/', true, true, 'Lax', undefined]);
    assert.ok(Number(cookie.attributes['max-age']) <= 8 * 3600 && Number(cookie.attributes['max-age']) > 7 * 3600);
    assert.match(callback.headers['cache-control'], /no-store/);
    assert.equal(/alice|example|staff/.test(Buffer.from(cookie.value, 'base64url').toString('latin1')), false, 'the cookie shows its content');
    assert.deepEqual(alice.jar.rejected, []);
    assert.deepEqual(alice.jar.names('localhost').filter((name) => name.includes('attempt')), []);
  });

  it('works the same over HTTP/2', async () => {
    const carol = await signInAs(gateway, 'alice', { path: '/members?over=2', http2: true });
    assert.deepEqual([carol.landing.status, carol.landing.url.search], [200, '?over=2']);
    assert.equal((await carol.call('/api/chat')).status, 200);
    assert.equal((await nobody({ http2: true }).call('/api/chat')).status, 401);
    carol.close();
  });

  it('shows the wrong password to the provider only, and says so when the person cancels', async () => {
    const visitor = nobody();
    const form = await visitor.follow(await visitor.open('/analytics'));
    const again = await visitor.submit(form, { login: 'alice', password: 'wrong', action: 'login' });
    assert.equal(again.status, 401);
    const cancelled = await visitor.follow(await visitor.submit(again, { login: 'alice', password: 'wrong', action: 'cancel' }));
    assertRefused(cancelled, 403, 'authorization_denied');
    assertSafePage(cancelled);
    assert.match(cancelled.body, /\/api\/login/, 'the page offers another try');
    assert.equal(gateway.log().includes('alice-password'), false);
  });
});

describe('who may do what', () => {
  /** [who, method, path, status] — 'page' is a navigation, 'script' a call by a page of this origin */
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
      const visitor = { alice, bob, nobody: nobody() }[who];
      const answer = how === 'page' ? await visitor.open(path) : await visitor.call(path);
      assert.equal(answer.status, status, answer.reason);
      assert.equal(application.requests.length, status === 200 ? 1 : 0);
    });
  }

  it('a page for a script that is not signed in is a problem document that says how to sign in', async () => {
    const answer = await nobody().call('/api/chat');
    const problem = assertProblem(answer, 401, 'session_missing');
    assert.equal(problem.sign_in, '/api/login');
    assert.match(answer.headers['www-authenticate'], /^Cookie realm="http:\/\/localhost:\d+", form-action="\/api\/login", cookie-name="__Host-accredit"$/);
    assert.deepEqual(answer.cookies, [], 'a script starts no attempt');
  });

  it('a program that says nothing about itself gets 401, one that asks for HTML is redirected', async () => {
    assertProblem(await nobody().send('/analytics'), 401, 'session_missing');
    assert.equal((await nobody().send('/analytics', { headers: { accept: 'text/html' } })).status, 302);
    assertProblem(await nobody().send('/analytics', { headers: { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' } }), 401, 'session_missing');
    assertProblem(await nobody().send('/analytics', { method: 'POST', headers: { accept: 'text/html' }, body: 'x' }), 401, 'session_missing');
    assertProblem(await nobody().send('/analytics', { headers: { accept: 'text/html', 'sec-fetch-mode': 'cors' } }), 401, 'session_missing');
  });

  it('bob sees a page that says why, what it needs, and how to use another account; no program does', async () => {
    const page = await bob.open('/members');
    assertRefused(page, 403, 'condition_failed');
    assertSafePage(page);
    assert.match(page.body, /groups|oracle-ai-users/);
    assert.match(page.body, /bob/);
    assert.match(page.body, /\/api\/log(in|out)/);
    assertProblem(await bob.call('/api/chat'), 403, 'condition_failed');
  });

  it('HEAD is decided as GET is', async () => {
    assert.equal((await nobody().open('/analytics', { method: 'HEAD' })).status, 302);
    assert.equal((await alice.open('/members', { method: 'HEAD' })).status, 200);
    assert.equal((await bob.open('/members', { method: 'HEAD' })).status, 403);
  });
});

describe('what reaches the application', () => {
  it('is who is asking, in the headers other proxies use', async () => {
    await alice.open('/analytics');
    const arrived = await application.only('/analytics');
    for (const [name, value] of [['user', 'alice'], ['email', 'alice@example.com'], ['groups', 'oracle-ai-users,staff'], ['preferred-username', 'alice']]) assert.deepEqual(headerValues(arrived, `x-forwarded-${name}`), [value]);
    for (const name of ['x-forwarded-access-token', 'x-forwarded-id-token', 'authorization']) assert.deepEqual(headerValues(arrived, name), []);
  });

  it('is who is asking also on a public page, when there is a session', async () => {
    await alice.open('/');
    assert.deepEqual(headerValues(await application.only('/'), 'x-forwarded-user'), ['alice']);
  });

  const NAMES = ['x-forwarded-user', 'x-forwarded-email', 'x-forwarded-groups', 'x-forwarded-preferred-username', 'x-forwarded-access-token', 'x-forwarded-id-token'];
  const SPELLINGS = [(name) => name, (name) => name.toUpperCase(), (name) => name.replaceAll('-', '_'), (name) => name.replace('-', '_'), (name) => name.toUpperCase().replaceAll('-', '_'), (name) => name.replace(/-([^-]*)$/, '_$1')];

  for (const [who, visitor, path, method, identity] of [
    ['nobody on a public page', () => nobody(), '/', 'GET', []],
    ['nobody on a public page, by POST', () => nobody(), '/chat', 'POST', []],
    ['nobody on a public page, by OPTIONS', () => nobody(), '/', 'OPTIONS', []],
    ['bob', () => bob, '/analytics', 'GET', ['bob']],
    ['bob by POST', () => bob, '/api/analytics', 'POST', ['bob']],
    ['bob by OPTIONS', () => bob, '/analytics', 'OPTIONS', ['bob']],
  ]) {
    it(`is never an identity that ${who} claims in a header, in any spelling`, async () => {
      const headers = Object.fromEntries(NAMES.flatMap((name) => SPELLINGS.map((spell) => [spell(name), 'root'])));
      const answer = await visitor().call(path, { method, headers, body: method === 'POST' ? 'x' : undefined });
      assert.equal(answer.status, 200, answer.reason);
      const arrived = await application.only(path);
      assert.equal(arrived.rawHeaders.includes('root'), false, JSON.stringify(arrived.rawHeaders));
      assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), identity);
    });
  }

  it('is never a header removed by Connection: the identity stays', async () => {
    const answer = await bob.send('/analytics', { headers: { connection: 'close, x-forwarded-user, x-forwarded-groups' } });
    if (answer.status === 400) return assert.deepEqual(application.requests, []);
    assert.deepEqual(headerValues(await application.only('/analytics'), 'x-forwarded-user'), ['bob']);
  });

  it('is every cookie but ours, byte for byte', async () => {
    for (const [before, between, after, expected] of [
      ['theme=dark; ', '', '; lang=de', 'theme=dark; lang=de'],
      ['', '', '', undefined],
      ['a="quoted, value"; ', '', '; b=1=2', 'a="quoted, value"; b=1=2'],
      ['__Host-accreditation=x; ', '__Host-accredit-attempt-zzz=1; ', '; accredit=y', '__Host-accreditation=x; accredit=y'],
    ]) {
      application.forget();
      const cookie = `${before}${between}${alice.jar.header('localhost', '/')}${after}`;
      assert.equal((await nobody().send('/analytics', { headers: { cookie } })).status, 200);
      assert.equal((await application.only('/analytics')).headers.cookie, expected);
    }
  });

  it('is no session of ours on a public page either, good or forged', async () => {
    await nobody().send('/', { headers: { cookie: '__Host-accredit=forged; theme=dark; __Host-accredit-1=forged' } });
    assert.equal((await application.only('/')).headers.cookie, 'theme=dark');
  });

  it('is the whole body, chunked, with its trailers', async () => {
    const answer = await alice.call('/api/chat', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked', trailer: 'x-checksum', 'content-type': 'text/plain' },
      body: (request) => {
        for (let i = 0; i < 64; i += 1) request.write('0123456789'.repeat(100));
        request.addTrailers({ 'x-checksum': 'abc' });
        request.end();
      },
    });
    assert.equal(answer.status, 200, answer.reason);
    const arrived = await application.only('/api/chat');
    assert.equal(arrived.body.length, 64_000);
    assert.deepEqual({ ...arrived.trailers }, { 'x-checksum': 'abc' });
  });

  it('is nothing of a refused upload, chunked and with trailers', async () => {
    for (const visitor of [nobody(), bob]) {
      const answer = await visitor.call('/api/chat', {
        method: 'POST',
        headers: { 'transfer-encoding': 'chunked', trailer: 'x-checksum' },
        body: (request) => {
          request.write('secret');
          setTimeout(() => (request.addTrailers({ 'x-checksum': 'abc' }), request.end('more')), 100);
        },
      }).catch((error) => ({ status: error.code }));
      assert.ok([401, 403, 'ECONNRESET', 'EPIPE'].includes(answer.status), String(answer.status));
    }
    assert.deepEqual(application.requests, []);
  });

  it('is an upload of megabytes, held by nobody', async () => {
    const answer = await alice.call('/api/analytics', { method: 'POST', body: 'x'.repeat(5_000_000) });
    assert.equal(answer.status, 200);
    assert.equal((await application.only('/api/analytics')).body.length, 5_000_000);
  });

  it('keeps the application\'s own answer: its cookies, its caching, its status', async () => {
    application.respond = (request, response) => {
      response.writeHead(418, { 'set-cookie': ['own=1; Path=/', 'other=2'], 'cache-control': 'public, max-age=60' }).end('teapot');
    };
    const visitor = nobody();
    visitor.jar = alice.jar.clone();
    const answer = await visitor.call('/api/analytics');
    assert.deepEqual([answer.status, answer.body, answer.headers['cache-control'], answer.headers['set-cookie']], [418, 'teapot', 'public, max-age=60', ['own=1; Path=/', 'other=2']]);
  });
});

describe('requests that another site makes a browser send', () => {
  const EVIDENCE = [
    ['Sec-Fetch-Site: same-origin', () => ({ 'sec-fetch-site': 'same-origin' }), 200],
    ['our own Origin', () => ({ origin: gateway.origin }), 200],
    ['Sec-Fetch-Site: cross-site', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
    ['Sec-Fetch-Site: same-site', () => ({ 'sec-fetch-site': 'same-site' }), 403],
    ['Sec-Fetch-Site: none', () => ({ 'sec-fetch-site': 'none' }), 403],
    ['another Origin', () => ({ origin: 'https://evil.example' }), 403],
    ['an Origin that begins like ours', () => ({ origin: `${gateway.origin}.evil.example` }), 403],
    ['Origin: null', () => ({ origin: 'null' }), 403],
    ['cross-site with our Origin beside', () => ({ 'sec-fetch-site': 'cross-site', origin: gateway.origin }), [200, 403]],
    ['same-origin with another Origin beside', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }), [200, 403]],
    ['a Referer of ours and nothing else', () => ({ referer: `${gateway.origin}/chat` }), 403],
    ['no evidence at all', () => ({}), 403],
  ];
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'QUERY']) {
    for (const [what, headers, status] of method === 'POST' ? EVIDENCE : EVIDENCE.filter(([what]) => /^(Sec-Fetch-Site: (same-origin|cross-site)|no evidence)/.test(what))) {
      it(`${method} by session cookie with ${what} gives ${[status].flat().join(' or ')}`, async () => {
        const answer = await alice.send('/api/chat', { method, headers: headers(), body: method === 'QUERY' ? undefined : 'x' });
        assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.reason}`);
        if (answer.status === 403) assertRefused(answer, 403, 'cross_site');
        assert.equal(application.requests.length, answer.status === 200 ? 1 : 0);
      });
    }
  }

  it('GET needs no evidence: links from elsewhere work', async () => {
    assert.equal((await alice.open('/members', { headers: { 'sec-fetch-site': 'cross-site' } })).status, 200);
  });

  it('on a public page a cross-site POST arrives, but as nobody\'s', async () => {
    assert.equal((await alice.send('/chat', { method: 'POST', headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, body: 'x' })).status, 200);
    const arrived = await application.only('/chat');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), []);
    assert.equal(arrived.headers.cookie, undefined);
  });
});

describe('WebSockets', () => {
  const connect = (visitor, headers) =>
    new Promise((done, failed) => {
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/api/echo`, { headers: { host: gateway.host, cookie: visitor.jar.header('localhost', '/'), ...headers } });
      socket.on('open', () => done({ socket, status: 101 }));
      socket.on('unexpected-response', (request, response) => {
        request.destroy();
        done({ status: response.statusCode, reason: response.headers['x-accredit-reason'] });
      });
      socket.on('error', failed);
    });

  it('work through a session, and the application knows whose they are', async () => {
    const { socket, status } = await connect(alice, { origin: gateway.origin });
    assert.equal(status, 101);
    const echoed = new Promise((done) => socket.on('message', (data) => done(String(data))));
    socket.send('hällo');
    assert.equal(await echoed, 'hällo');
    const arrived = await application.only('/api/echo');
    assert.deepEqual([headerValues(arrived, 'x-forwarded-user'), arrived.headers.cookie], [['alice'], undefined]);
    socket.terminate();
  });

  for (const [what, who, headers, status, reason] of [
    ['from another origin', () => alice, () => ({ origin: 'https://evil.example' }), 403, 'cross_site'],
    ['without an origin', () => alice, () => ({}), 403, 'cross_site'],
    ['from a frame without origin', () => alice, () => ({ origin: 'null' }), 403, 'cross_site'],
    ['without a session', () => nobody(), () => ({ origin: gateway.origin }), 401, 'session_missing'],
  ]) {
    it(`are refused ${what}`, async () => {
      const answer = await connect(who(), headers());
      assert.deepEqual([answer.status, answer.reason], [status, reason]);
      assert.deepEqual(application.requests, []);
    });
  }
});

describe('the session endpoint', () => {
  it('tells a page who is signed in and until when, and is never stored', async () => {
    const answer = await alice.call('/api/session');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['cache-control'], /no-store/);
    const session = answer.json();
    assert.deepEqual([session.authenticated, session.provider, session.subject], [true, 'demo', 'alice']);
    assert.deepEqual(session.claims.groups, ['oracle-ai-users', 'staff']);
    const now = Date.now() / 1000;
    assert.ok(session.expires_at > now + 7 * 3600 && session.expires_at <= now + 8 * 3600);
    assert.ok(session.idle_expires_at > now && session.idle_expires_at <= now + 1800);
    assert.equal(/token|nonce|sid"/.test(answer.body), false, answer.body);
  });

  it('tells nobody 401, by script and by navigation, and HEAD the same', async () => {
    assertProblem(await nobody().call('/api/session'), 401, 'session_missing');
    assertRefused(await nobody().open('/api/session'), 401, 'session_missing');
    assert.equal((await nobody().call('/api/session', { method: 'HEAD' })).status, 401);
    assert.equal((await alice.call('/api/session', { method: 'HEAD' })).status, 200);
  });

  it('tells a forged cookie 401, and asks the browser to drop it', async () => {
    const visitor = nobody();
    visitor.jar.set('localhost', '__Host-accredit', 'forged');
    assertRefused(await visitor.call('/api/session'), 401, 'session_invalid');
  });

  for (const [path, methods] of [['/api/session', ['POST', 'PUT', 'DELETE']], ['/api/login', ['POST', 'DELETE']], ['/api/callback', ['PUT', 'DELETE']], ['/api/logout', ['PUT', 'DELETE']]]) {
    for (const method of methods) {
      it(`${method} ${path} gives 405 and says what is allowed`, async () => {
        const answer = await alice.call(path, { method });
        assertRefused(answer, 405, 'method_not_allowed');
        assert.match(answer.headers.allow, /GET|POST/);
        assert.deepEqual(application.requests, []);
      });
    }
  }
});

describe('signing out', () => {
  let visitor;
  beforeEach(async () => {
    visitor = await signInAs(gateway, 'alice');
    application.forget();
  });

  const isOut = async () => {
    assert.deepEqual(visitor.jar.names('localhost', '/').filter((name) => name.startsWith('__Host-accredit')), []);
    assertProblem(await visitor.call('/api/chat'), 401, 'session_missing');
  };

  it('by script ends the session, answers 200, and names the provider\'s own logout', async () => {
    const answer = await visitor.call('/api/logout', { method: 'POST' });
    assert.equal(answer.status, 200);
    const body = answer.json();
    assert.equal(body.logout, 'ok');
    assertEndSession(new URL(body.end_session_url));
    for (const { name, attributes } of answer.cookies.filter(({ name }) => name.startsWith('__Host-'))) assert.equal(attributes.secure && attributes.path === '/', true, `${name} would not be deleted`);
    await isOut();
  });

  it('by a form of our own page goes to the provider, ends the session there too, and comes home', async () => {
    const answer = await visitor.open('/api/logout', { method: 'POST', headers: { origin: gateway.origin, 'sec-fetch-site': 'same-origin' }, body: '' });
    assert.equal(answer.status, 303);
    assertEndSession(answer.location);
    const confirm = await visitor.open(answer.location.href, { headers: { 'sec-fetch-site': 'cross-site' } });
    const home = await visitor.follow(await visitor.submit(confirm, { logout: 'yes' }));
    assert.deepEqual([home.status, home.url.origin, home.url.pathname], [200, gateway.origin, '/']);
    await isOut();
    const form = await visitor.follow(await visitor.open('/analytics'));
    assert.match(form.body, /name="password"/, 'the provider asks again');
  });

  it('by a link of our own page works', async () => {
    assert.equal((await visitor.open('/api/logout', { headers: { 'sec-fetch-site': 'same-origin' } })).status, 303);
    await isOut();
  });

  for (const [what, method, headers] of [
    ['a form of another site', 'POST', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }],
    ['a form of a sibling site', 'POST', { origin: 'http://other.localhost', 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' }],
    ['a program without evidence', 'POST', {}],
    ['a link on another site', 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    ['an image on another site', 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['an image on our own page', 'GET', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
  ]) {
    it(`by ${what} is refused, and the session goes on`, async () => {
      const answer = await visitor.send('/api/logout', { method, headers });
      assertRefused(answer, 403, 'cross_site');
      assert.equal((await visitor.call('/api/chat')).status, 200);
    });
  }

  it('without a session is no error', async () => {
    const answer = await nobody().call('/api/logout', { method: 'POST' });
    assert.equal(answer.status, 200);
    assert.equal(answer.json().logout, 'ok');
  });

  it('keeps the hint for the provider where only logout sees it', async () => {
    const elsewhere = visitor.jar.names('localhost', '/members');
    const there = visitor.jar.names('localhost', '/api/logout').filter((name) => !elsewhere.includes(name));
    assert.equal(there.length, 1, `cookies for the logout endpoint alone: ${there}`);
  });

  function assertEndSession(url) {
    assert.equal(url.origin, provider.issuer);
    assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${gateway.origin}/`);
    assert.equal(url.searchParams.get('id_token_hint')?.split('.').length, 3, 'no id_token_hint');
  }
});

it('tells the access log who asked and which rule decided, and no secret', async () => {
  await alice.open('/members?token=secret-in-query');
  const line = await eventually('the access log has the request', () => gateway.accessLog().findLast(({ path }) => path === '/members'));
  assert.deepEqual([line.subject, line.rule, line.status], ['alice', 'rules[2]', 200]);
  assert.equal(gateway.log().includes('secret-in-query'), false);
});
