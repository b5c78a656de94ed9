// envoy/bff.yaml as shipped: the session endpoint, signing out, WebSockets, and what another site cannot make a browser do.
//
// The environment is that of bff.test.mjs: the shipped file, the demo's certified provider, and an application that records requests.

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { onDemoStage, signInAs } from './lib/demo.mjs';
import { assertProblem, assertRefused } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

const stage = onDemoStage();

describe('requests that another site makes a browser send', () => {
  const EVIDENCE = [
    ['Sec-Fetch-Site: same-origin', () => ({ 'sec-fetch-site': 'same-origin' }), 200],
    ['our own Origin', () => ({ origin: stage.gateway.origin }), 200],
    ['Sec-Fetch-Site: cross-site', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
    ['Sec-Fetch-Site: same-site', () => ({ 'sec-fetch-site': 'same-site' }), 403],
    ['Sec-Fetch-Site: none', () => ({ 'sec-fetch-site': 'none' }), 403],
    ['another Origin', () => ({ origin: 'https://evil.example' }), 403],
    ['an Origin that begins like ours', () => ({ origin: `${stage.gateway.origin}.evil.example` }), 403],
    ['Origin: null', () => ({ origin: 'null' }), 403],
    ['cross-site with our Origin beside', () => ({ 'sec-fetch-site': 'cross-site', origin: stage.gateway.origin }), [200, 403]],
    ['same-origin with another Origin beside', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }), [200, 403]],
    ['a Referer of ours and nothing else', () => ({ referer: `${stage.gateway.origin}/chat` }), 403],
    ['no evidence at all', () => ({}), 403],
  ];
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
    for (const [what, headers, status] of method === 'POST'
      ? EVIDENCE
      : EVIDENCE.filter(([what]) => /^(Sec-Fetch-Site: (same-origin|cross-site)|no evidence)/.test(what))) {
      it(`${method} by session cookie with ${what} gives ${[status].flat().join(' or ')}`, async () => {
        const answer = await stage.alice.send('/api/chat', { method, headers: headers(), body: 'x' });
        assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.reason}`);
        if (answer.status === 403) assertRefused(answer, 403, 'cross_site');
        assert.equal(stage.application.requests.length, answer.status === 200 ? 1 : 0);
      });
    }
  }

  it('GET needs no evidence: links from elsewhere work', async () => {
    assert.equal((await stage.alice.open('/members', { headers: { 'sec-fetch-site': 'cross-site' } })).status, 200);
  });

  it('a cross-site POST to a public page arrives without identity', async () => {
    assert.equal(
      (await stage.alice.send('/chat', { method: 'POST', headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, body: 'x' })).status,
      200,
    );
    const arrived = await stage.application.only('/chat');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), []);
    assert.equal(arrived.headers.cookie, undefined);
  });
});

describe('WebSockets', () => {
  const connect = (visitor, headers) =>
    new Promise((done, failed) => {
      const socket = new WebSocket(`ws://127.0.0.1:${stage.gateway.port}/api/echo`, {
        headers: { host: stage.gateway.host, cookie: visitor.jar.header('localhost', '/'), ...headers },
      });
      socket.on('open', () => done({ socket, status: 101 }));
      socket.on('unexpected-response', (request, response) => {
        request.destroy();
        done({ status: response.statusCode, reason: response.headers['x-accredit-reason'] });
      });
      socket.on('error', failed);
    });

  it('work with a session, and the application gets the identity', async () => {
    const { socket, status } = await connect(stage.alice, { origin: stage.gateway.origin });
    assert.equal(status, 101);
    const echoed = new Promise((done) => socket.on('message', (data) => done(String(data))));
    socket.send('hällo');
    assert.equal(await echoed, 'hällo');
    const arrived = await stage.application.only('/api/echo');
    assert.deepEqual([headerValues(arrived, 'x-forwarded-user'), arrived.headers.cookie], [['alice'], undefined]);
    socket.terminate();
  });

  for (const [what, who, headers, status, reason] of [
    ['from another origin', () => stage.alice, () => ({ origin: 'https://evil.example' }), 403, 'cross_site'],
    ['without an origin', () => stage.alice, () => ({}), 403, 'cross_site'],
    ['from a frame without origin', () => stage.alice, () => ({ origin: 'null' }), 403, 'cross_site'],
    ['without a session', () => stage.nobody(), () => ({ origin: stage.gateway.origin }), 401, 'session_missing'],
  ]) {
    it(`are refused ${what}`, async () => {
      const answer = await connect(who(), headers());
      assert.deepEqual([answer.status, answer.reason], [status, reason]);
      assert.deepEqual(stage.application.requests, []);
    });
  }
});

describe('the session endpoint', () => {
  it('tells a page who is signed in and until when, and is never stored', async () => {
    const answer = await stage.alice.call('/api/session');
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

  it('answers 401 without a session: to a script, to a navigation and to HEAD', async () => {
    assertProblem(await stage.nobody().call('/api/session'), 401, 'session_missing');
    assertRefused(await stage.nobody().open('/api/session'), 401, 'session_missing');
    assert.equal((await stage.nobody().call('/api/session', { method: 'HEAD' })).status, 401);
    assert.equal((await stage.alice.call('/api/session', { method: 'HEAD' })).status, 200);
  });

  it('answers 401 to a forged cookie, and deletes it', async () => {
    const visitor = stage.nobody();
    visitor.jar.set('localhost', '__Host-accredit', 'forged');
    assertRefused(await visitor.call('/api/session'), 401, 'session_invalid');
  });

  it('answers 401 to a session with any one character changed', async () => {
    const [, sealed] = /__Host-accredit=([^;]+)/.exec(stage.alice.jar.header('localhost', '/api/session'));
    const told = (value) => stage.nobody().call('/api/session', { headers: { cookie: `__Host-accredit=${value}` } });
    assert.equal((await told(sealed)).status, 200);
    for (let place = 0; place < sealed.length; place += 1) {
      for (const sign of ['+', '/', '=', '\x80', '\xff', sealed[place] === 'A' ? 'B' : 'A']) {
        const answer = await told(`${sealed.slice(0, place)}${sign}${sealed.slice(place + 1)}`);
        assert.deepEqual([answer.status, answer.json().reason], [401, 'session_invalid'], `${JSON.stringify(sign)} at ${place}`);
      }
    }
  });

  for (const [path, methods] of [
    ['/api/session', ['POST', 'PUT', 'DELETE']],
    ['/api/login', ['POST', 'DELETE']],
    ['/api/callback', ['PUT', 'DELETE']],
    ['/api/logout', ['PUT', 'DELETE']],
  ]) {
    for (const method of methods) {
      it(`${method} ${path} gives 405 and says what is allowed`, async () => {
        const answer = await stage.alice.call(path, { method });
        assertRefused(answer, 405, 'method_not_allowed');
        assert.match(answer.headers.allow, /GET|POST/);
        assert.deepEqual(stage.application.requests, []);
      });
    }
  }
});

describe('signing out', () => {
  let visitor;
  beforeEach(async () => {
    visitor = await signInAs(stage.gateway, 'alice');
    stage.application.forget();
  });

  const isOut = async () => {
    assert.deepEqual(
      visitor.jar.names('localhost', '/').filter((name) => /^__Host-accredit(-\d|$)/.test(name)),
      [],
    );
    assertProblem(await visitor.call('/api/chat'), 401, 'session_missing');
  };

  it("by script ends the session, answers 200, and names the provider's logout page", async () => {
    const answer = await visitor.call('/api/logout', { method: 'POST' });
    assert.equal(answer.status, 200);
    const body = answer.json();
    assert.equal(body.logout, 'ok');
    const url = new URL(body.end_session_url);
    assertEndSession(url);
    assert.equal(url.searchParams.get('id_token_hint'), null, 'a script was given the ID token');
    for (const { name, attributes } of answer.cookies.filter(({ name }) => name.startsWith('__Host-')))
      assert.equal(attributes.secure && attributes.path === '/', true, `${name} would not be deleted`);
    await isOut();
  });

  it('by a form of a page of the same origin goes to the provider, ends the session there too, and returns', async () => {
    const answer = await visitor.open('/api/logout', { method: 'POST', headers: { origin: stage.gateway.origin, 'sec-fetch-site': 'same-origin' }, body: '' });
    assert.equal(answer.status, 303);
    assertEndSession(answer.location);
    assert.equal(answer.location.searchParams.get('id_token_hint')?.split('.').length, 3, 'no id_token_hint');
    const confirm = await visitor.open(answer.location.href, { headers: { 'sec-fetch-site': 'cross-site' } });
    const home = await visitor.follow(await visitor.submit(confirm, { logout: 'yes' }));
    assert.deepEqual([home.status, home.url.origin, home.url.pathname], [200, stage.gateway.origin, '/']);
    await isOut();
    const form = await visitor.follow(await visitor.open('/analytics'));
    assert.match(form.body, /name="password"/, 'the provider asks again');
  });

  it('by a link of a page of the same origin works', async () => {
    assert.equal((await visitor.open('/api/logout', { headers: { 'sec-fetch-site': 'same-origin' } })).status, 303);
    await isOut();
  });

  it('by a typed address, which could be a redirect of any site, gets a page with a "Sign out" button', async () => {
    const page = await visitor.open('/api/logout');
    assertRefused(page, 403, 'sign_out_unconfirmed');
    assert.equal((await visitor.call('/api/chat')).status, 200);
    assert.equal((await visitor.submit(page, {})).status, 303);
    await isOut();
  });

  for (const [what, method, reason, headers] of [
    [
      'a form of another site',
      'POST',
      'sign_out_unconfirmed',
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    ],
    [
      'a form of a sibling site',
      'POST',
      'sign_out_unconfirmed',
      { origin: 'http://other.localhost', 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' },
    ],
    ['a program without evidence', 'POST', 'cross_site', {}],
    ['a link on another site', 'GET', 'sign_out_unconfirmed', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    ['an image on another site', 'GET', 'cross_site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['an image on our own page', 'GET', 'cross_site', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
  ]) {
    it(`by ${what} is refused, and the session goes on`, async () => {
      const answer = await visitor.send('/api/logout', { method, headers });
      assertRefused(answer, 403, reason);
      assert.equal((await visitor.call('/api/chat')).status, 200);
    });
  }

  it('without a session is no error', async () => {
    const answer = await stage.nobody().call('/api/logout', { method: 'POST' });
    assert.equal(answer.status, 200);
    assert.equal(answer.json().logout, 'ok');
  });

  it('stores the hint for the provider in a cookie that only the logout endpoint gets', async () => {
    const elsewhere = visitor.jar.names('localhost', '/members');
    const there = visitor.jar.names('localhost', '/api/logout').filter((name) => !elsewhere.includes(name));
    assert.equal(there.length, 1, `cookies for the logout endpoint alone: ${there}`);
  });

  function assertEndSession(url) {
    assert.equal(url.origin, stage.provider.issuer);
    assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${stage.gateway.origin}/`);
  }
});
