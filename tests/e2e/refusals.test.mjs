// How sign-ins are refused at each step: by the state and the attempt, by the provider's answers, and by where a visitor may be sent afterwards.
//
// The tables have attacks and faults. Each case expects one documented status and reason, and checks that nothing reached the application before a decision.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { answer } from './lib/misbehaving.mjs';
import { sleep } from './lib/process.mjs';
import { assertRefused, assertSafePage, attemptCookies, onStage } from './lib/stage.mjs';

const shortWaits = (configuration) => {
  configuration.sign_in = { wait: '1s' };
  Object.assign(configuration.providers[0], { timeout: '1s', userinfo: true });
};

const withQuery = (url, changes) => {
  const changed = new URL(url);
  for (const [name, value] of Object.entries(changes)) {
    changed.searchParams.delete(name);
    for (const one of [value ?? []].flat()) changed.searchParams.append(name, one);
  }
  return changed.href;
};

describe('the attempt', () => {
  const stage = onStage({ plugin: shortWaits });

  /** [the attack or accident, how it changes the callback's URL and the browser's cookies, status, reason] */
  const CALLBACKS = [
    ['without state', (url) => withQuery(url, { state: null }), 400, 'state_missing'],
    ['with an empty state', (url) => withQuery(url, { state: '' }), 400, 'state_missing'],
    ['with a state nobody made', (url) => withQuery(url, { state: 'AAAA.BBBB' }), 400, 'attempt_missing'],
    ['with a state that has no dot', (url) => withQuery(url, { state: 'AAAA' }), 400, ['attempt_missing', 'state_mismatch']],
    [
      'with the right name and another random part',
      (url, { state }) => withQuery(url, { state: `${state.split('.')[0]}.${'A'.repeat(43)}` }),
      400,
      'state_mismatch',
    ],
    ['with the random part cut off', (url, { state }) => withQuery(url, { state: `${state.split('.')[0]}.` }), 400, ['state_mismatch', 'attempt_missing']],
    ['with the state of another browser (login CSRF)', (_, { elsewhere }) => elsewhere, 400, 'attempt_missing'],
    ['whose cookie was lost', (url, { visitor }) => (forgetAttempts(visitor), url), 400, 'attempt_missing'],
    ['whose cookie was changed', (url, { visitor }) => (changeAttempts(visitor, (value) => flip(value)), url), 400, ['attempt_missing', 'state_mismatch']],
    [
      'whose cookie is cut in half',
      (url, { visitor }) => (changeAttempts(visitor, (value) => value.slice(0, value.length / 2)), url),
      400,
      ['attempt_missing', 'state_mismatch'],
    ],
    [
      'whose cookie holds bytes of our own session',
      (url, { visitor, session }) => (changeAttempts(visitor, () => session), url),
      400,
      ['attempt_missing', 'state_mismatch'],
    ],
    ['with two states', (url, { state }) => withQuery(url, { state: [state, 'AAAA.BBBB'] }), 400, ['query_malformed', 'state_mismatch']],
    ['with two codes', (url) => withQuery(url, { code: ['first', 'second'] }), 400, ['query_malformed', 'code_missing']],
    ['without code', (url) => withQuery(url, { code: null }), 400, 'code_missing'],
    ['with an empty code', (url) => withQuery(url, { code: '' }), 400, 'code_missing'],
    ['with a code nobody made', (url) => withQuery(url, { code: 'forged' }), 400, 'code_refused'],
    ['from another issuer (mix-up)', (url) => withQuery(url, { iss: 'https://other.example' }), 400, 'issuer_mismatch'],
    ['after the person refused', (url) => withQuery(url, { code: null, error: 'access_denied' }), 403, 'authorization_denied'],
    ['after login_required', (url) => withQuery(url, { code: null, error: 'login_required' }), 400, 'authorization_error'],
    ['after an error nobody defined', (url) => withQuery(url, { code: null, error: '"><script>alert(1)</script>' }), 400, 'authorization_error'],
    ['after the provider failed', (url) => withQuery(url, { code: null, error: 'server_error' }), 502, 'authorization_server_error'],
    ['while the provider is overloaded', (url) => withQuery(url, { code: null, error: 'temporarily_unavailable' }), 502, 'authorization_server_error'],
    ['with an error and no state', (url) => withQuery(url, { code: null, state: null, error: 'access_denied' }), 400, 'state_missing'],
    ['with an error and a forged state', (url) => withQuery(url, { code: null, state: 'AAAA.BBBB', error: 'access_denied' }), 400, 'attempt_missing'],
  ];

  for (const [what, change, status, reason] of CALLBACKS) {
    it(`refuses a callback ${what} with ${status} ${[reason].flat()[0]}`, async () => {
      const visitor = stage.visitor();
      const url = await visitor.untilCallback('/analytics');
      const session = '__Host-accredit' + 'A'.repeat(200);
      const context = { visitor, session, state: url.searchParams.get('state'), elsewhere: await stage.visitor().untilCallback('/analytics') };
      const comeBack = (url, context) => visitor.open(String(change(url, context)), { headers: { 'sec-fetch-site': 'cross-site' } });
      let refused = await comeBack(url, context);
      // After some errors the sign-in begins again by itself, once.
      if (refused.location?.searchParams.has('again')) {
        const next = await visitor.untilCallback(refused.location.href);
        refused = await comeBack(next, { ...context, state: next.searchParams.get('state') });
      }
      const allowed = [reason].flat();
      assertRefused(refused, status, allowed.includes(refused.reason) ? refused.reason : allowed[0]);
      assertSafePage(refused);
      assert.deepEqual(stage.application.requests, []);
      if (refused.reason !== 'code_refused') assert.equal(stage.provider.count('token'), 0, 'the code was spent before the state was known to be good');
      const requestId = refused.headers['x-request-id'] ?? /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(refused.body)?.[0];
      assert.ok(refused.body.includes(requestId) && stage.gateway.log().includes(requestId), 'page and log share the request id');
      assert.equal(refused.body.includes('<script>alert'), false);
    });
  }

  it('refuses a callback that comes again with the cookies of the first, and does not redeem its code', async () => {
    const visitor = stage.visitor();
    const url = await visitor.untilCallback('/analytics');
    const thief = stage.visitor();
    thief.jar = visitor.jar.clone();
    assert.equal((await visitor.open(url.href)).status, 303);
    const replayed = await thief.open(url.href);
    assert.deepEqual([replayed.status, replayed.location.pathname, replayed.cookies], [303, '/analytics', []]);
    assert.equal((await thief.open('/analytics')).status, 302, 'a callback that comes again signs nobody in');
    assert.equal(stage.provider.count('token'), 1);
  });

  it('does not let a callback without attempt end a valid session', async () => {
    const visitor = await stage.signedIn();
    for (const stray of ['/api/callback', '/api/callback?code=x&state=AAAA.BBBB', '/api/callback?error=access_denied&state=AAAA.BBBB']) {
      const answered = await visitor.open(stray);
      assert.deepEqual(
        answered.cookies.filter(({ name }) => name === '__Host-accredit'),
        [],
        `${stray} touched the session`,
      );
    }
    assert.equal((await visitor.open('/analytics')).status, 200);
  });

  it('seals each attempt in its own cookie, which the browser sends only to the gateway', async () => {
    const started = await stage.visitor().open('/analytics');
    assert.equal(started.status, 302);
    const [cookie, ...more] = attemptCookies(started);
    assert.deepEqual(more, []);
    const { path, httponly, secure, samesite, domain } = cookie.attributes;
    assert.deepEqual([path, httponly, secure, samesite, domain], ['/', true, true, 'Lax', undefined]);
    assert.equal(Number(cookie.attributes['max-age']), 86_400, 'after the time-out it still says where the person wanted to go');
    const state = started.location.searchParams.get('state');
    assert.ok(cookie.name.endsWith(state.split('.')[0]) && !cookie.value.includes(state.split('.')[1]));
    for (const secret of ['nonce', 'code_challenge']) assert.equal(cookie.value.includes(started.location.searchParams.get(secret)), false);
  });

  it('limits the number of attempts under way, and completes the newest', async () => {
    const visitor = stage.visitor();
    let last;
    for (let i = 0; i < 9; i += 1) last = await visitor.open(`/analytics?tab=${i}`);
    const underWay = visitor.jar.names('localhost').filter((name) => name.startsWith('__Host-accredit-attempt-'));
    assert.ok(underWay.length <= 5, `${underWay.length} attempts are kept`);
    const landing = await visitor.follow(last);
    assert.deepEqual([landing.status, landing.url.search], [200, '?tab=8']);
  });

  it('leads the first of six tabs back to its own page by a link, and by nothing else', async () => {
    const visitor = stage.visitor();
    const callbacks = [];
    for (let tab = 1; tab <= 6; tab += 1) callbacks.push(await visitor.untilCallback(`/analytics?tab=${tab}`));
    const state = callbacks[0].searchParams.get('state');
    assert.ok(state.length > 53 && state.length <= 250 && !/analytics/.test(state + Buffer.from(state, 'base64url')), state);
    const back = { headers: { 'sec-fetch-site': 'cross-site' } };
    const lost = await visitor.open(callbacks[0].href, back);
    assertRefused(lost, 400, 'attempt_missing');
    assertSafePage(lost);
    assert.deepEqual([lost.location, lost.cookies, stage.provider.count('token')], [undefined, [], 0]);
    const links = [...lost.body.matchAll(/href="([^"]*)"/g)].map(([, href]) => href);
    assert.deepEqual(links, ['/api/login?return_to=%2Fanalytics%3Ftab%3D1']);
    // With the tail of another tab's state, or another random part, there is no such link.
    const [id, random, sealed] = state.split('.');
    const other = callbacks[1].searchParams.get('state').split('.');
    for (const forged of [`${id}.${random}.${other[2]}`, `${id}.${other[1]}.${sealed}`, `${id}.${random}.${sealed}A`]) {
      const refused = await visitor.open(withQuery(callbacks[0].href, { state: forged }), back);
      assertRefused(refused, 400, 'attempt_missing');
      assert.match(refused.body, /href="\/api\/login\?return_to=%2F"/);
    }
    // Another browser sees the same page; one that brings a cookie of that name, whatever is in it, does not.
    const stranger = stage.visitor();
    assert.match((await stranger.open(callbacks[0].href, back)).body, /return_to=%2Fanalytics%3Ftab%3D1"/);
    const cookie = `__Host-accredit-attempt-${id}=junk`;
    assert.match((await stranger.open(callbacks[0].href, { headers: { ...back.headers, cookie } })).body, /return_to=%2F"/);
    assert.equal(stage.provider.count('token'), 0);
    // A changed tail beside the right cookie changes nothing.
    const last = callbacks[5].searchParams.get('state').split('.');
    const landed = await visitor.follow(await visitor.open(withQuery(callbacks[5].href, { state: `${last[0]}.${last[1]}.${sealed}` }), back));
    assert.deepEqual([landed.status, landed.url.search], [200, '?tab=6']);
    const link = await visitor.follow(await visitor.open(links[0], { headers: { 'sec-fetch-site': 'same-origin' } }));
    assert.deepEqual([link.status, link.url.pathname + link.url.search], [200, '/analytics?tab=1']);
    assert.equal(stage.provider.count('token'), 2);
  });

  it('lets two tabs sign in at the same time, and each returns to its own page', async () => {
    const visitor = stage.visitor();
    const first = await visitor.untilCallback('/analytics?tab=1');
    const second = await visitor.untilCallback('/members?tab=2');
    const landed = [await visitor.follow(await visitor.open(second.href)), await visitor.follow(await visitor.open(first.href))];
    assert.deepEqual(
      landed.map(({ status, url }) => [status, url.pathname + url.search]),
      [
        [200, '/members?tab=2'],
        [200, '/analytics?tab=1'],
      ],
    );
  });

  it('gives each sign-in a new session, also in a browser that has one', async () => {
    const visitor = await stage.signedIn();
    const before = visitor.jar.get('localhost', '__Host-accredit');
    const landing = await visitor.follow(await visitor.open('/api/login?return_to=/analytics'));
    assert.equal(landing.status, 200);
    assert.notEqual(visitor.jar.get('localhost', '__Host-accredit'), before);
  });

  function forgetAttempts(visitor) {
    for (const name of visitor.jar.names('localhost')) if (name.includes('attempt')) visitor.jar.delete('localhost', name);
  }

  function changeAttempts(visitor, change) {
    for (const { name, value } of visitor.jar.matching('localhost')) if (name.includes('attempt')) visitor.jar.set('localhost', name, change(value));
  }

  const flip = (value) => value.slice(0, 40) + (value[40] === 'A' ? 'B' : 'A') + value.slice(41);
});

describe('the life of an attempt', () => {
  const stage = onStage({ plugin: (configuration) => void (configuration.sign_in = { timeout: '1s' }) });

  it('is limited: a later callback is refused with 400 attempt_expired, even with its cookie', async () => {
    const visitor = stage.visitor();
    const url = await visitor.untilCallback('/analytics');
    const cookie = visitor.jar.header('localhost', '/');
    assert.match(cookie, /__Host-accredit-attempt-/);
    await sleep(2100);
    assertRefused(await new Visitor(stage.gateway).open(url.href, { headers: { cookie } }), 400, 'attempt_expired');
    const expired = await visitor.open(url.href);
    assertRefused(expired, 400, 'attempt_expired');
    assert.match(expired.body, /\/api\/login\?return_to=%2Fanalytics/);
    assert.equal(stage.provider.count('token'), 0);
  });
});

describe('RFC 9207, at a provider that announces iss', () => {
  const stage = onStage({
    prepare: (provider) => void (provider.lies.discovery = (document) => ({ ...document, authorization_response_iss_parameter_supported: true })),
  });

  for (const [what, iss, status] of [
    ['its own', () => stage.provider.issuer, 200],
    ['none', () => undefined, 400],
    ['another', () => 'https://other.example', 400],
    ['its own with a slash', () => `${stage.provider.issuer}/`, 400],
    ['an empty', () => '', 400],
  ]) {
    it(`${status === 200 ? 'accepts' : 'refuses'} a callback with ${what} iss`, async () => {
      stage.provider.lies.redirect = (parameters) => ({ ...parameters, iss: iss() });
      const last = await stage.visitor().signIn('/analytics');
      if (status === 200) return assert.equal(last.status, 200, last.reason);
      assertRefused(last, 400, 'issuer_mismatch');
      assert.equal(stage.provider.count('token'), 0, 'the code went to a provider that did not give it');
    });
  }
});

describe('the token endpoint', () => {
  const stage = onStage({ plugin: shortWaits });
  const answers = (status, body, headers) => (provider) => (provider.intercept.token = (_, response) => answer(response, status, body, headers));
  const tokens = (changes) => (provider) => (provider.lies.tokens = (body) => ({ ...body, ...changes }));

  const FAULTS = [
    [
      'refuses connections',
      (provider) => (provider.lies.redirect = async (parameters) => (setImmediate(() => provider.refuse()), parameters)),
      502,
      'token_endpoint_unreachable',
    ],
    ['hangs up', (provider) => (provider.intercept.token = (request) => request.socket.destroy()), 502, 'token_endpoint_unreachable'],
    ['hangs up in the middle', (provider) => (provider.intercept.token = hangUpInTheMiddle), 502, ['token_endpoint_unreachable', 'token_response_malformed']],
    ['is slow', (provider) => (provider.delay.token = 3000), 504, 'token_endpoint_timeout'],
    ['fails with HTML', answers(500, '<html>oops', { 'content-type': 'text/html' }), 502, 'token_endpoint_unreachable'],
    ['is overloaded', answers(503, ''), 502, 'token_endpoint_unreachable'],
    ['answers HTML', answers(200, '<html>welcome', { 'content-type': 'text/html' }), 502, 'token_response_malformed'],
    ['answers nothing', answers(200, ''), 502, 'token_response_malformed'],
    ['answers a list', answers(200, '[]'), 502, 'token_response_malformed'],
    [
      'answers bytes that are no UTF-8',
      (provider) => (provider.intercept.token = (_, response) => response.end(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))),
      502,
      'token_response_malformed',
    ],
    ['answers megabytes', answers(200, JSON.stringify({ padding: 'x'.repeat(3_000_000) })), 502, ['token_response_malformed', 'token_endpoint_unreachable']],
    ['answers nesting without end', answers(200, '['.repeat(200_000)), 502, 'token_response_malformed'],
    ['redirects', answers(302, '', { location: '/token2' }), 502, ['token_response_malformed', 'token_endpoint_unreachable']],
    ['refuses the client', answers(401, { error: 'invalid_client' }), 502, 'client_authentication_failed'],
    ['refuses the client with 400', answers(400, { error: 'invalid_client' }), 502, 'client_authentication_failed'],
    ['refuses the code', answers(400, { error: 'invalid_grant' }), 400, 'code_refused'],
    ['gives no ID token', tokens({ id_token: undefined }), 502, 'token_response_malformed'],
    ['gives a list of ID tokens', tokens({ id_token: ['a', 'b'] }), 502, ['token_response_malformed', 'id_token_malformed']],
    ['gives a token of another type', tokens({ token_type: 'mac' }), 502, 'token_response_malformed'],
    ['gives a token of no type', tokens({ token_type: undefined }), 502, 'token_response_malformed'],
    ['gives no access token', tokens({ access_token: undefined }), 502, ['token_response_malformed', 'id_token_at_hash']],
  ];
  const USERINFO_FAULTS = [
    ['hangs up', (provider) => (provider.intercept.userinfo = (request) => request.socket.destroy()), 502, 'userinfo_unreachable'],
    ['fails', (provider) => (provider.intercept.userinfo = (_, response) => answer(response, 500, '')), 502, 'userinfo_unreachable'],
    ['is slow', (provider) => (provider.delay.userinfo = 3000), 504, 'userinfo_timeout'],
    ['answers HTML', (provider) => (provider.intercept.userinfo = (_, response) => answer(response, 200, '<html>')), 502, 'userinfo_malformed'],
    ['answers a list', (provider) => (provider.intercept.userinfo = (_, response) => answer(response, 200, '[]')), 502, 'userinfo_malformed'],
    ['answers without a subject', (provider) => (provider.lies.userinfo = ({ sub, ...rest }) => rest), 502, 'userinfo_subject'],
    [
      'says a subject twice',
      (provider) => (provider.intercept.userinfo = (_, response) => answer(response, 200, '{"sub":"user-1","sub":"root"}')),
      502,
      ['userinfo_malformed', 'userinfo_subject'],
    ],
  ];

  for (const [endpoint, table] of [
    ['token endpoint', FAULTS],
    ['userinfo endpoint', USERINFO_FAULTS],
  ]) {
    for (const [what, arrange, status, reason] of table) {
      it(`that ${what} (${endpoint}) gives ${status} ${[reason].flat()[0]}, and the next sign-in works`, async () => {
        arrange(stage.provider);
        const visitor = stage.visitor();
        const last = await visitor.signIn('/analytics');
        if (!stage.provider.server.listening) await stage.provider.accept();
        const allowed = [reason].flat();
        assertRefused(last, status, allowed.includes(last.reason) ? last.reason : allowed[0]);
        assert.deepEqual(stage.application.requests, []);
        stage.provider.behave();
        assert.equal((await visitor.signIn('/analytics')).status, 200);
      });
    }
  }

  function hangUpInTheMiddle(request, response) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('{"access_token":"a');
    setTimeout(() => request.socket.destroy(), 50);
  }
});

describe('the redirect after sign-in', () => {
  const stage = onStage({ plugin: shortWaits });
  const host = () => stage.gateway.host;

  /** Targets that led away from other gateways, as the browser would send them in the query; the test percent-encodes them. */
  const ELSEWHERE = [
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\/evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r\n/evil.example',
    '\t//evil.example',
    ' //evil.example',
    '/./..//evil.example',
    '/..//evil.example',
    '/x/../..//evil.example',
    '/.//evil.example',
    '/%2e%2e//evil.example',
    '//evil.example/%2e%2e',
    'https://evil.example',
    'http://evil.example/analytics',
    'https:evil.example',
    'http:///evil.example',
    'https:/\\evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'evil.example',
    '',
    '/\u0000/evil.example',
    '/\u2028//evil.example',
    '/\ufeff/evil.example',
    '//evil.example@localhost',
    '/;//evil.example',
  ];
  const NEAR_OURS = [
    (own) => `http://${own}@evil.example/`,
    (own) => `http://evil.example@${own}/`,
    (own) => `http://${own}.evil.example/`,
    (own) => `http://evil.example/${own}`,
    (own) => `http://bad${own}/`,
    (own) => `https://${own}/`,
    (own) => `http://${own.split(':')[0]}:1/`,
    (own) => `http://${own}\\@evil.example/`,
    (own) => `http://${own}#@evil.example/`,
    (own) => `http://${own}:@evil.example/`,
    (own) => `//${own}@evil.example/`,
  ];

  for (const target of [...ELSEWHERE, ...NEAR_OURS]) {
    const shown = typeof target === 'string' ? JSON.stringify(target) : target('OUR-HOST');
    it(`never leads to ${shown}`, async () => {
      const returnTo = typeof target === 'string' ? target : target(host());
      const visitor = stage.visitor();
      const started = await visitor.open(`/api/login?return_to=${encodeURIComponent(returnTo)}`);
      if (started.status === 400) return assertRefused(started, 400, 'return_to_refused');
      const url = await visitor.follow(started, { until: (next) => next.origin === stage.gateway.origin }).then((last) => last.location);
      const landing = await visitor.open(url.href);
      assert.equal(landing.status, 303, landing.reason);
      assert.equal(new URL(landing.headers.location, stage.gateway.origin).origin, stage.gateway.origin);
      assert.match(landing.headers.location, /^(\/(?![/\\])[\x21-\x7e]*|http:\/\/localhost:\d+(\/[\x21-\x7e]*)?)$/);
      assert.equal(/^\/[^/]*\/\.\.?\//.test(landing.headers.location), false);
    });
  }

  for (const [target, expected] of [
    ['/analytics', '/analytics'],
    ['/analytics?x=1&y=%26#top', '/analytics?x=1&y=%26#top'],
    ['/members?next=https%3A%2F%2Fevil.example', '/members?next=https%3A%2F%2Fevil.example'],
    [() => `http://${host()}/analytics?x=1`, '/analytics?x=1'],
    [undefined, '/'],
  ]) {
    it(`leads to ${expected} if ${target === undefined ? 'nothing' : String(target)} was requested`, async () => {
      const returnTo = typeof target === 'function' ? target() : target;
      const visitor = stage.visitor();
      const started = await visitor.open(returnTo === undefined ? '/api/login' : `/api/login?return_to=${encodeURIComponent(returnTo)}`);
      const landing = await visitor.follow(started, { until: (next) => !next.href.includes('/authorize') && !next.href.includes('/api/callback') });
      assert.equal(landing.status, 303, landing.reason);
      assert.equal(landing.location.href, new URL(expected, stage.gateway.origin).href);
    });
  }

  it('keeps the query of the page where the visit began, even with strange characters', async () => {
    const landing = await stage.visitor().signIn('/analytics?a=%2F%2Fevil.example&b=%5C%5Cx&c=%C3%BC&d=a+b');
    assert.deepEqual([landing.status, landing.url.search], [200, '?a=%2F%2Fevil.example&b=%5C%5Cx&c=%C3%BC&d=a+b']);
  });

  it('works even if the address of the page is too long for a cookie', async () => {
    const visitor = stage.visitor();
    const landing = await visitor.signIn(`/analytics?long=${'x'.repeat(20_000)}`);
    assert.deepEqual([landing.status, landing.url.origin], [200, stage.gateway.origin], landing.reason);
    assert.deepEqual(visitor.jar.rejected, []);
    assert.equal((await visitor.call('/api/session')).status, 200);
  });
});
