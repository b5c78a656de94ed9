// Requests of attackers: paths with two meanings, foreign hosts, and every header, query and cookie that the filter reads, filled with unexpected bytes.
//
// The answers may be the filter's or Envoy's own. But nothing may reach the application before a decision, the filter must not panic, and a normal request must
// work after each test.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { managerOf, shipped } from './lib/gateway.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { assertNoPanic, assertRefused, onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

/** A stage for raw requests, which checks after each test that a normal request still works. */
function hostileStage(options) {
  const stage = onStage(options);
  stage.raw = (method, target, { host = stage.gateway.host, lines = [], body = '' } = {}) =>
    sendRaw(stage.gateway.port, requestText(method, target, host, lines, body));
  afterEach(async () => {
    assert.equal((await stage.visitor().open('/')).status, 200, 'a healthy request no longer works');
    assertNoPanic(stage.gateway);
  });
  return stage;
}

const withoutNormalisation = (bootstrap) => {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  Object.assign(manager, { normalize_path: false, merge_slashes: false, path_with_escaped_slashes_action: 'KEEP_UNCHANGED' });
};

/** Paths that bypassed the rules of other gateways. `/chat` is public here; `/api/chat` and `/members` are not. */
const AMBIGUOUS = [
  '/chat/../members',
  '/chat/..',
  '/chat/./x',
  '/./members',
  '/%2e%2e/members',
  '/chat/%2e%2e/members',
  '/chat/%2E%2E/members',
  '/chat/.%2e/members',
  '/chat/..%2fmembers',
  '/api%2Fchat',
  '/api%2fchat',
  '/chat%2f..%2fmembers',
  '/api%5Cchat',
  '/api%5cchat',
  '/api\\chat',
  '/chat\\..\\members',
  '\\members',
  '/chat/..\\members',
  '//members',
  '//chat',
  '/api//chat',
  '/chat//../members',
  '///',
  '//',
  '/chat/..;/members',
  '/members;x=1',
  '/chat;/../members',
  '/;/chat',
  '/chat;jsessionid=1',
  '/chat%00',
  '/chat%00/members',
  '/%00',
  '/chat%0a',
  '/chat%0d%0aX-Forwarded-User:%20root',
  '/chat%7f',
  '/chat%ff',
  '/%c0%ae%c0%ae/members',
  '/%c0%afmembers',
  '/chat%3f',
  '/chat%23',
  '/chat%3B',
  '/chat%25',
  '/%63hat',
  '/chat%',
  '/chat%2',
  '/chat%zz',
  '/chat%u002f',
  '/%252e%252e/members',
  '/chat%252f',
];

describe('a path with two meanings', () => {
  for (const [what, envoy] of [
    ['under the shipped normalisation', undefined],
    ['when Envoy normalises nothing', withoutNormalisation],
  ]) {
    describe(what, () => {
      const stage = hostileStage({ envoy });

      for (const path of AMBIGUOUS) {
        it(`${JSON.stringify(path)} opens nothing`, async () => {
          const answer = await stage.raw('GET', path, { lines: ['Sec-Fetch-Mode: cors'] });
          if (envoy) assert.deepEqual([answer.status, answer.reason ?? 'path_ambiguous'], [400, 'path_ambiguous']);
          const opened = stage.application.requests.map(({ url }) => url);
          assert.ok([400, 401, 307].includes(answer.status) || opened.every((url) => ['/', '/chat'].includes(url)), `${answer.status}, arrived: ${opened}`);
          assert.deepEqual(
            stage.application.requests.filter(({ url }) => !['/', '/chat'].includes(url)),
            [],
          );
        });
      }

      it('bob, who is signed in, does not get a forbidden page with any of them', async () => {
        stage.provider.user = { ...stage.provider.user, sub: 'bob', groups: ['staff'] };
        const bob = await stage.signedIn();
        const cookie = `Cookie: ${bob.jar.header('localhost', '/')}`;
        for (const path of AMBIGUOUS) await stage.raw('GET', path, { lines: [cookie] });
        const reached = stage.application.requests.filter(({ url }) =>
          /members|api.?.?.?chat/i.test(decodeURIComponent(url.replaceAll(/%(?![0-9a-f]{2})/gi, '%25').replaceAll(/%[89a-f][0-9a-f]/gi, '?'))),
        );
        // `/chat//../members` is `/chat/members` (RFC 3986, section 5.2.4), a path that every signed-in person may request.
        assert.deepEqual(
          reached.map(({ url }) => url).filter((url) => url !== '/chat/members'),
          [],
        );
      });
    });
  }
});

describe('hosts, methods and targets', () => {
  const stage = hostileStage();
  const own = () => stage.gateway.host;

  for (const [what, host, status] of [
    ['another host', () => 'evil.example', 421],
    ['our name at another port', () => 'localhost:1', 421],
    ['our name without its port', () => 'localhost', 421],
    ['our host with something before it', () => `evil${own()}`, 421],
    ['our host with something behind it', () => `${own()}.evil.example`, [400, 421]],
    ['the address instead of the name', () => `127.0.0.1:${stage.gateway.port}`, 421],
    ['our host after a user', () => `evil@${own()}`, [400, 421]],
    ['our host with a comma and another', () => `${own()},evil.example`, [400, 421]],
    ['no host', () => '', [400, 421]],
    ['a host that is no text', () => '\xff\xfe', [400, 421]],
    ['a host of ten thousand letters', () => 'a'.repeat(10_000), [400, 421, 431]],
    ['our own host in capitals', () => own().toUpperCase(), 200],
  ]) {
    it(`${what} gives ${[status].flat().join(' or ')} on a public page`, async () => {
      const answer = await stage.raw('GET', '/', { host: host() });
      assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.reason}`);
      if (answer.status === 421) assert.equal(answer.reason, 'host_unknown');
      assert.equal(stage.application.requests.length, answer.status === 200 ? 1 : 0);
    });
  }

  it('the host decides, whatever other headers say', async () => {
    const answer = await stage.raw('GET', '/analytics', {
      lines: ['X-Forwarded-Host: evil.example', 'X-Original-Host: evil.example', 'Forwarded: host=evil.example', 'Accept: text/html'],
    });
    assert.equal(answer.status, 302);
    assert.equal(new URL(answer.headers.location).searchParams.get('redirect_uri'), `${stage.gateway.origin}/api/callback`);
  });

  it('the path decides, whatever other headers say', async () => {
    const lines = [
      'X-Forwarded-Uri: /chat',
      'X-Original-URL: /chat',
      'X-Rewrite-URL: /chat',
      'X-Forwarded-Method: OPTIONS',
      'X-HTTP-Method-Override: OPTIONS',
      'X-Envoy-Original-Path: /chat',
      'User-Agent: kube-probe/1.30',
      'User-Agent: GoogleHC/1.0',
    ];
    for (const line of lines) assert.equal((await stage.raw('GET', '/api/chat', { lines: [line] })).status, 401, line);
    assert.deepEqual(stage.application.requests, []);
  });

  for (const method of ['get', 'Get', 'TRACE', 'FOO', 'OPTIONS', 'HEAD', 'PROPFIND', 'A'.repeat(5000)]) {
    it(`${method.slice(0, 12)} of a protected path is refused`, async () => {
      const answer = await stage.raw(method, '/api/chat');
      assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
      assert.deepEqual(stage.application.requests, []);
    });
  }

  for (const [target, statuses] of [
    ['*', [400, 401, 404]],
    ['members', [400, 404]],
    ['?x', [400, 404]],
    ['#', [400, 404]],
    ['/members#/chat', [400, 401]],
    ['/chat#/../members', [400, 200]],
    ['http://evil.example/', [421]],
    [() => `http://${own()}/members`, [401]],
    [() => `http://evil.example@${own()}/members`, [400, 401, 421]],
    ['/members?#/chat', [400, 401]],
    ['/members?x=/chat', [401]],
    ['/\xff\xfe', [400]],
    ['/\xc3\xbc', [400, 401]],
  ]) {
    const shown = typeof target === 'function' ? target.toString().slice(6) : JSON.stringify(target);
    it(`the target ${shown} opens nothing that is not public`, async () => {
      const answer = await stage.raw('GET', typeof target === 'function' ? target() : target);
      assert.ok(statuses.includes(answer.status), `${answer.status} ${answer.reason}`);
      assert.deepEqual(
        stage.application.requests.filter(({ url }) => !/^\/chat(#.*)?$/.test(url)),
        [],
      );
    });
  }

  it('CONNECT opens nothing', async () => {
    const answer = await sendRaw(stage.gateway.port, `CONNECT ${own()} HTTP/1.1\r\nHost: ${own()}\r\n\r\n`);
    assert.ok(answer.status >= 400 || answer.status === 0, String(answer.status));
    assert.deepEqual(stage.application.requests, []);
  });

  it('HTTP/1.0 and two hosts open nothing', async () => {
    assert.ok((await sendRaw(stage.gateway.port, 'GET /members HTTP/1.0\r\n\r\n')).status >= 400);
    const two = await sendRaw(stage.gateway.port, `GET /members HTTP/1.1\r\nHost: ${own()}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`);
    assert.ok(two.status >= 400, String(two.status));
    assert.deepEqual(stage.application.requests, []);
  });
});

describe('headers that some servers read another path or host from', () => {
  const stage = hostileStage();
  const NAMES = [
    'Script-Name',
    'SCRIPT_NAME',
    'Path-Info',
    'PATH_INFO',
    'X-Script-Name',
    'X-Forwarded-Prefix',
    'X-Original-Uri',
    'X-Original-Url',
    'X-Forwarded-Host',
    'X_Forwarded_Host',
    'X-Original-Host',
    'X-Host',
    'Forwarded',
    'X-Forwarded-Server',
  ];

  for (const name of NAMES) {
    it(`${name} does not arrive, on a public page or with a session`, async () => {
      const bob = await stage.signedIn();
      for (const [path, cookie] of [
        ['/', []],
        ['/analytics', [`Cookie: ${bob.jar.header('localhost', '/')}`]],
      ]) {
        stage.application.forget();
        assert.equal((await stage.raw('GET', path, { lines: [`${name}: /members`, ...cookie] })).status, 200);
        const arrived = await stage.application.only(path);
        assert.deepEqual([headerValues(arrived, name), arrived.headers.host], [[], stage.gateway.host]);
      }
    });
  }
});

describe('a header with an underscore, which some servers read as another', () => {
  const stage = hostileStage({ withUnderscoresRefused: true });

  it('is refused by Envoy, with the shipped file', async () => {
    assert.equal((await stage.raw('GET', '/', { lines: ['SCRIPT_NAME: /members'] })).status, 400);
    assert.deepEqual(stage.application.requests, []);
  });

  for (const scenario of ['bff', 'google-session', 'login-microservices', 'mcp-server', 'spa-tokens']) {
    it(`is refused by envoy/${scenario}.yaml`, () => {
      const options = managerOf(shipped(scenario).static_resources.listeners[0]).common_http_protocol_options;
      assert.equal(options.headers_with_underscores_action, 'REJECT_REQUEST');
    });
  }
});

describe('every header that the filter reads', () => {
  const stage = hostileStage();
  const HEADERS = [
    'Cookie',
    'Accept',
    'Sec-Fetch-Mode',
    'Sec-Fetch-Site',
    'Sec-Fetch-Dest',
    'Sec-Fetch-User',
    'Origin',
    'Referer',
    'X-Requested-With',
    'X-Request-Id',
    'Authorization',
    'Content-Type',
    'X-Forwarded-Proto',
    'X-Forwarded-For',
    'X-Forwarded-User',
    'User-Agent',
    'Accept-Language',
  ];
  const VALUES = [
    ['nothing', ''],
    ['bytes that are no UTF-8', '\xff\xfe\xc0\x80'],
    ['half a character', 'text/html \xe2\x82'],
    ['a tab', 'a\tb'],
    ['quotes', '"\'`<script>'],
    ['twenty thousand letters', 'x'.repeat(20_000)],
    ['ten thousand separators', ';,= '.repeat(2500)],
    ['a format string', '%s%n{}{:?}'],
    ['a long number', '9'.repeat(400)],
  ];

  for (const header of HEADERS) {
    it(`${header} may contain anything`, async () => {
      for (const [what, value] of VALUES) {
        for (const path of ['/analytics', '/api/callback?code=a&state=b.c', '/api/login', '/api/session', '/api/logout']) {
          const answer = await stage.raw('GET', path, { lines: [`${header}: ${value}`] });
          assert.ok(answer.status >= 200 && answer.status < 500, `${header} holding ${what}: ${answer.status} for ${path}`);
        }
      }
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('a header name of any bytes, and the same header many times', async () => {
    for (const line of ['X-\xff: 1', '\xff\xfe: 1', ': 1', 'X Y: 1', 'Cookie\xa0: 1', 'x-forwarded-user\x00: root', 'X-Forwarded-User : root']) {
      const answer = await stage.raw('GET', '/analytics', { lines: [line] });
      assert.ok([400, 401].includes(answer.status), `${JSON.stringify(line)}: ${answer.status}`);
    }
    for (const line of ['Sec-Fetch-Mode: navigate', 'Origin: null', 'Accept: text/html', 'Cookie: a=b', 'X-Forwarded-User: root']) {
      const answer = await stage.raw('POST', '/analytics', { lines: [...Array(60).fill(line), 'Content-Length: 0'] });
      assert.ok(answer.status >= 400 && answer.status < 500, `${line}: ${answer.status}`);
    }
    assert.deepEqual(stage.application.requests, []);
  });
});

describe('every cookie that the filter reads', () => {
  const stage = hostileStage();
  const COOKIES = [
    ['an empty session', '__Host-accredit='],
    ['no value', '__Host-accredit'],
    ['bytes', '__Host-accredit=\xff\xfe'],
    ['letters', `__Host-accredit=${'A'.repeat(3000)}`],
    ['a dot', '__Host-accredit=.'],
    ['a session twice', '__Host-accredit=a; __Host-accredit=b'],
    ['the second half alone', '__Host-accredit-1=AAAA'],
    ['halves out of order', '__Host-accredit-2=a; __Host-accredit-1=b; __Host-accredit=c'],
    ['a part numbered beyond all numbers', `__Host-accredit=a; __Host-accredit-${'9'.repeat(40)}=b`],
    ['a part numbered -1', '__Host-accredit=a; __Host-accredit--1=b'],
    ['a part numbered 01', '__Host-accredit=a; __Host-accredit-01=b'],
    ['a name in other letters', '__host-ACCREDIT=AAAA'],
    ['a quoted session', '__Host-accredit="AAAA"'],
    ['an empty name', '=AAAA'],
    ['only separators', ';;; ;=;=;'],
    ['a comma', '__Host-accredit=a,__Host-accredit=b'],
    ['an attempt without name', '__Host-accredit-attempt-=AAAA'],
    ['an attempt of odd name', '__Host-accredit-attempt-../../x=AAAA'],
  ];

  for (const [what, cookie] of COOKIES) {
    it(`${what} signs nobody in`, async () => {
      const answer = await stage.raw('GET', '/analytics', { lines: [`Cookie: ${cookie}`] });
      assert.equal(answer.status, 401, answer.reason);
      assert.match(answer.reason, /^session_(missing|invalid)$/);
      const page = await stage.raw('GET', '/analytics', { lines: [`Cookie: ${cookie}`, 'Accept: text/html'] });
      assert.equal(page.status, 302, page.reason);
      assert.equal((await stage.raw('GET', '/', { lines: [`Cookie: ${cookie}`] })).status, 200, 'a public page is for everybody');
      assert.deepEqual(headerValues(await stage.application.only('/'), 'x-forwarded-user'), []);
    });
  }

  for (const [what, cookie] of [
    ['thousands of cookies', Array.from({ length: 3000 }, (_, i) => `c${i}=v`).join('; ')],
    ['hundreds of session parts', Array.from({ length: 500 }, (_, i) => `__Host-accredit-${i}=AAAA`).join('; ')],
    ['hundreds of attempts', Array.from({ length: 300 }, (_, i) => `__Host-accredit-attempt-${i}=AAAA`).join('; ')],
    ['a session of fifty thousand letters', `__Host-accredit=${'A'.repeat(50_000)}`],
    ['more than Envoy takes', `__Host-accredit=${'A'.repeat(100_000)}`],
  ]) {
    it(`${what} are refused or ignored`, async () => {
      const answer = await stage.raw('GET', '/analytics', { lines: [`Cookie: ${cookie}`] });
      assert.ok([400, 401, 431].includes(answer.status), `${answer.status} ${answer.reason}`);
      if (answer.status === 400) assert.equal(answer.reason, 'cookies_excessive');
      assert.deepEqual(stage.application.requests, []);
    });
  }

  it('many existing attempts do not prevent a sign-in', async () => {
    const visitor = stage.visitor();
    for (let i = 0; i < 30; i += 1) visitor.jar.set('localhost', `__Host-accredit-attempt-${String(i).padStart(8, '0')}`, 'A'.repeat(200));
    const landing = await visitor.signIn('/analytics');
    assert.equal(landing.status, 200, landing.reason);
    assert.ok(visitor.jar.names('localhost').filter((name) => name.includes('attempt')).length <= 5, 'the old ones were not cleared away');
  });

  it('a session in the second Cookie line is read, and removed from both', async () => {
    const visitor = await stage.signedIn();
    const session = visitor.jar.header('localhost', '/');
    const answer = await stage.raw('GET', '/analytics', { lines: ['Cookie: a=1', `Cookie: ${session}`, 'Cookie: b=2'] });
    assert.equal(answer.status, 200, answer.reason);
    const arrived = await stage.application.only('/analytics');
    assert.deepEqual(headerValues(arrived, 'cookie').join('; '), 'a=1; b=2');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), ['user-1']);
  });

  it('a second session beside the first one is not preferred', async () => {
    const visitor = await stage.signedIn();
    const session = visitor.jar.get('localhost', '__Host-accredit');
    for (const cookie of [`__Host-accredit=forged; __Host-accredit=${session}`, `__Host-accredit=${session}; __Host-accredit=forged`]) {
      stage.application.forget();
      const answer = await stage.raw('GET', '/analytics', { lines: [`Cookie: ${cookie}`] });
      assert.ok([200, 401].includes(answer.status), `${answer.status} ${answer.reason}`);
      assert.equal(
        stage.application.requests.every((arrived) => headerValues(arrived, 'cookie').length === 0),
        true,
      );
    }
  });

  it('a session with one changed bit, at any place, signs nobody in', async () => {
    const visitor = await stage.signedIn();
    const session = visitor.jar.get('localhost', '__Host-accredit');
    for (let at = 0; at < session.length - 2; at += Math.ceil(session.length / 40)) {
      const changed = session.slice(0, at) + (session[at] === 'A' ? 'B' : 'A') + session.slice(at + 1);
      const answer = await stage.raw('GET', '/analytics', { lines: [`Cookie: __Host-accredit=${changed}`] });
      assert.deepEqual([answer.status, answer.reason], [401, 'session_invalid'], `at ${at}`);
    }
    assert.deepEqual(stage.application.requests, []);
  });

  it('other cookies may contain any bytes, and arrive unchanged', async () => {
    const visitor = await stage.signedIn();
    const other = 'tracker=\xff\xfe "x"; empty=; =odd; c';
    assert.equal((await stage.raw('GET', '/analytics', { lines: [`Cookie: ${other}; ${visitor.jar.header('localhost', '/')}`] })).status, 200);
    assert.equal(Buffer.from(headerValues(await stage.application.only('/analytics'), 'cookie')[0], 'latin1').toString('latin1'), other);
  });
});

describe('every query that the filter reads', () => {
  const stage = hostileStage();
  const QUERIES = [
    '',
    '?',
    '&',
    '=',
    '&&&&',
    '%',
    '%zz',
    '%00',
    '%ff%fe',
    'state',
    'state=%ff',
    'code=%00&state=a.b',
    'state=.',
    'state=..',
    'state=a.b.c',
    `state=${'a'.repeat(20_000)}`,
    `code=${'a'.repeat(20_000)}&state=a.b`,
    Array(3000).fill('a=b').join('&'),
    `${Array(500).fill('state=a.b').join('&')}`,
    'error=%0d%0aset-cookie:x',
    'iss=%ff&state=a.b&code=c',
    'state=a.b&code=c;error=x',
    'state=%3Cscript%3E.x&error=%3Cscript%3E&error_description=%3Cscript%3E',
  ];

  for (const query of QUERIES) {
    it(`callback and login with ${JSON.stringify(query.slice(0, 40))}`, async () => {
      const callback = await stage.raw('GET', `/api/callback?${query}`);
      assert.equal(callback.status, 400, callback.reason);
      assert.equal(callback.body.includes('<script>'), false);
      assert.notEqual(callback.headers['set-cookie'], 'x', 'a header was injected');
      const login = await stage.raw('GET', `/api/login?${query}&provider=${query.slice(0, 50)}&return_to=${query.slice(0, 50)}`);
      assert.ok([302, 400].includes(login.status), `${login.status} ${login.reason}`);
    });
  }

  it('a provider that is not configured is refused, not guessed', async () => {
    const answer = await stage.visitor().open('/api/login?provider=other');
    assertRefused(answer, 400, 'provider_unknown');
  });

  it('a callback by POST is refused', async () => {
    assertRefused(await stage.visitor().open('/api/callback?code=a&state=b.c', { method: 'POST', body: 'code=a&state=b.c' }), 405, 'method_not_allowed');
  });
});
