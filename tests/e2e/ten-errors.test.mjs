// The ten errors that docs/troubleshooting.md names, each from end to end: what a person sees and how they go on, what the line in the log says, with the remedy,
// and which counter grows. lib/walked.mjs says what the rows mean.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { answer, now } from './lib/misbehaving.mjs';
import { freePort, sleep } from './lib/process.mjs';
import { assertProblem, assertRefused, attemptCookies } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';
import { FROM_PROVIDER, TRY_AGAIN, check, countersOf, keep, linesSaying, linksOf, quick, sharedStage, start, stopAll } from './lib/walked.mjs';

after(stopAll);

const claims = (changes) => (provider) => void (provider.lies.claims = (truth) => ({ ...truth, ...changes }));

/** A token endpoint whose clock is wrong by so many seconds, in `Date` alone or also in the ID token. */
const clockIsWrong = (seconds, inToken) => (provider) => {
  if (inToken) claims({ iat: now() + seconds, exp: now() + seconds + 300 })(provider);
  provider.intercept.token = (_, response, received) => {
    response.setHeader('date', new Date(Date.now() + seconds * 1000).toUTCString());
    return provider._token(response, received);
  };
};

describe('1. the redirect URI is not registered', () => {
  it('the provider shows an error page, the line of the sign-in has the address to register, and no sign-in is completed', async () => {
    const port = await freePort();
    const provider = keep(await startDemoProvider('http://localhost:1'));
    const gateway = keep(await startGateway({ port, provider, application: keep(await Application.start()) }));
    const last = await new Visitor(gateway).signIn();
    assert.deepEqual([last.url.origin, last.status], [provider.issuer, 400]);
    assert.match(last.body, /redirect_uri/);
    const [line] = linesSaying(gateway, 0, 'sign_in_begun', /./);
    assert.deepEqual([line.redirect_uri, line.provider], [`${gateway.origin}/api/callback`, 'demo']);
    assert.deepEqual(await countersOf(gateway, ['sign_in_begun', 'sign_in_completed']), [1, 0]);
  });

  it('or another host was registered: 421 says which host came, and leads to the front page of the right one', () =>
    check({
      walk: async ({ gateway, visitor }) => {
        const callback = await visitor.untilCallback();
        return new Visitor(gateway).open(callback.href, { headers: { ...FROM_PROVIDER.headers, host: `127.0.0.1:${gateway.port}` } });
      },
      status: 421,
      reason: 'host_unknown',
      page: [/Not this site/],
      line: ['denied', /authority "127\.0\.0\.1:\d+" is none of the origins; .*Host/],
      counters: ['denied_host_unknown'],
      on: { link: ({ origin }) => `${origin}/` },
    }));
});

describe('2. clock skew', () => {
  for (const [what, arrange, reason, line] of [
    [
      'the clocks differ: iat and Date are ahead',
      clockIsWrong(300, true),
      'id_token_issued_at',
      /iat is (299|300|301) s ahead of our clock, 60 s are tolerated; the provider's own Date is (299|300|301) s ahead of our clock/,
    ],
    [
      'only the token is wrong',
      claims({ iat: now() + 3600, exp: now() + 7200 }),
      'id_token_issued_at',
      /iat is \d+ s ahead of our clock, 60 s are tolerated; the provider's own Date is (the same as|1 s behind) our clock/,
    ],
    [
      'the clocks differ: exp is past, and Date is behind',
      clockIsWrong(-600, true),
      'id_token_expired',
      /exp is \d+ s behind our clock, 60 s are tolerated; the provider's own Date is \d+ s behind our clock/,
    ],
  ])
    it(`${what}: the line says by how many seconds, and whose clock is wrong`, () =>
      check({
        arrange,
        status: 502,
        reason,
        page: [/Sign-in did not work/],
        line: ['sign_in_failed', line],
        counters: [`sign_in_failed_${reason}`],
        on: TRY_AGAIN,
      }));
});

describe('3. the cookie is too large', () => {
  it('the line has the size and the heaviest parts, the page the way to the front page', () =>
    check({
      arrange: (provider) => void (provider.user.groups = Array.from({ length: 2000 }, (_, index) => `a-group-with-a-long-name-${index}`)),
      status: 502,
      reason: 'session_too_large',
      page: [/more information than a session can hold/],
      line: ['sign_in_failed', /^\d{5} bytes; the largest parts are groups \(\d{5} bytes\)/],
      counters: ['sign_in_failed_session_too_large'],
      on: { link: '/' },
    }));
});

describe('4. https is lost behind a proxy', () => {
  it('the callback comes without its cookie, and the line says that it came by http, and what to set', () =>
    check({
      stage: { plugin: (configuration) => void (configuration.origins = ['https://app.example.com']) },
      // The browser stores no Secure cookie by http. TLS ends in front of Envoy, which is not told so.
      walk: async ({ gateway, visitor }) => {
        const byHttp = (target) => new Visitor(gateway).open(target, { headers: { ...FROM_PROVIDER.headers, host: 'app.example.com' } });
        const started = await byHttp('/analytics?wanted=1');
        const { href, pathname, search } = (await visitor.open(started.location.href)).location;
        assert.ok(href.startsWith('https://app.example.com/api/callback?'), href);
        return byHttp(pathname + search);
      },
      status: 400,
      reason: 'attempt_missing',
      page: [/did not bring back the cookie/],
      line: [
        'sign_in_failed',
        /x-forwarded-proto is http, but the origin is https: redirect http to https.*use_remote_address: true and xff_num_trusted_hops: 1/,
      ],
      counters: ['sign_in_failed_attempt_missing'],
      on: { link: TRY_AGAIN.link },
    }));
});

describe('5. groups are missing, or too many', () => {
  const MEMBERS = 'the rule asks for groups: "oracle-ai-users"';
  for (const [what, user, came] of [
    ['the claim is absent', { groups: undefined }, 'groups is absent'],
    ['the person has other groups', { groups: ['staff'] }, String.raw`groups is \["staff"\]`],
    [
      'the provider left them out',
      { groups: undefined, _claim_names: { groups: 'src1' } },
      'groups is absent: the provider left it out, there are too many .*_claim_names, hasgroups',
    ],
    [
      'the provider left them out, and says hasgroups',
      { groups: undefined, hasgroups: true },
      'groups is absent: the provider left it out, there are too many',
    ],
  ])
    it(`${what}: the line says what came and what the rule wants, the page who is signed in and how to ask`, () =>
      check({
        arrange: (provider) => Object.assign(provider.user, user),
        walk: ({ visitor }) => visitor.signIn('/members'),
        status: 403,
        reason: 'condition_failed',
        page: [/Access denied/, /signed in as (user|Ünser User|user-1)\b/, /groups/, /Sign out/],
        line: ['denied', new RegExp(`^${came}.*; ${MEMBERS}`)],
        counters: ['denied_condition_failed', 'decisions_forbidden'],
        on: { link: '/api/login?return_to=%2Fmembers&prompt=login', leadsTo: '/members' },
      }));
});

describe('6. audience', () => {
  for (const [what, changes, reason, line] of [
    ['another client', { aud: 'account' }, 'id_token_audience', /expected aud "accredit-demo", found "account"; .*audience mapper/],
    [
      'several clients, without azp',
      { aud: ['accredit-demo', 'account'] },
      'id_token_authorized_party',
      /the token is for others too .*account.*trusted_audiences/,
    ],
    ['another azp', { azp: 'account' }, 'id_token_authorized_party', /expected azp "accredit-demo", found "account"/],
  ])
    it(`${what}: the line has the audience of the token`, () =>
      check({
        arrange: claims(changes),
        status: 502,
        reason,
        page: [/Sign-in did not work/],
        line: ['sign_in_failed', line],
        counters: [`sign_in_failed_${reason}`],
        on: TRY_AGAIN,
      }));
});

describe('7. the cookie of the sign-in is lost', () => {
  const withoutCookie = async ({ gateway, visitor }) => new Visitor(gateway).open((await visitor.untilCallback('/analytics?wanted=1')).href, FROM_PROVIDER);
  const lost = { status: 400, reason: 'attempt_missing', page: [/did not bring back the cookie/], counters: ['sign_in_failed_attempt_missing'] };

  it('the line says where it was looked for, and "Try again" leads to the page that the person wanted', () =>
    check({
      ...lost,
      walk: withoutCookie,
      line: ['sign_in_failed', /looked for the attempt's cookie: host localhost:\d+, SameSite=Lax, to be finished within 600 s/],
      on: TRY_AGAIN,
    }));

  it('because another replica with another key began the sign-in: the line names that key', async () => {
    const { provider, gateway: other } = await sharedStage();
    const application = keep(await Application.start());
    const gateway = keep(await startGateway({ provider, application, plugin: quick }));
    const visitor = new Visitor(other);
    const callback = await visitor.untilCallback('/analytics?wanted=1');
    const last = await visitor.open(`${gateway.origin}${callback.pathname}${callback.search}`, FROM_PROVIDER);
    assertRefused(last, 400, 'attempt_missing');
    const [line] = linesSaying(gateway, 0, 'sign_in_failed', /one came that was sealed by key [\w-]{6}/);
    assert.equal(line.reason, 'attempt_missing');
  });

  it('is too old: the page says so, and leads to the page that the person wanted', () =>
    check({
      stage: { plugin: (configuration) => void (configuration.sign_in = { timeout: '1s' }) },
      walk: async ({ visitor }) => {
        const callback = await visitor.untilCallback('/analytics?wanted=1');
        await sleep(2100);
        return visitor.open(callback.href, FROM_PROVIDER);
      },
      status: 400,
      reason: 'attempt_expired',
      page: [/took too long/],
      line: ['sign_in_failed', /./],
      counters: ['sign_in_failed_attempt_expired'],
      on: TRY_AGAIN,
    }));

  it('but the person is signed in already: they go on to their page', async () => {
    const { visitor } = await sharedStage();
    const callback = await visitor.untilCallback('/analytics?wanted=1');
    assert.equal((await visitor.signIn('/analytics')).status, 200);
    for (const name of visitor.jar.names('localhost')) if (name.includes('attempt')) visitor.jar.delete('localhost', name);
    const last = await visitor.follow(await visitor.open(callback.href, FROM_PROVIDER));
    assert.equal(last.status, 200, last.reason);
  });
});

describe('8. the issuer differs', () => {
  it('in the metadata: the line has both strings and where they differ, the page says that signing in is not possible', () =>
    check({
      stage: { prepare: (provider) => void (provider.lies.discovery = (document) => ({ ...document, issuer: `${provider.issuer}/` })) },
      status: 503,
      reason: 'metadata_unavailable',
      page: [/Signing in is not possible right now/],
      line: [
        'fetch_failed',
        /expected issuer "http:\/\/127\.0\.0\.1:\d+", found "http:\/\/127\.0\.0\.1:\d+\/"; after \d+ common characters .* write its issuer exactly so/,
      ],
      counters: ['denied_metadata_unavailable', 'fetch_metadata_failed', 'decisions_unavailable'],
      on: { link: TRY_AGAIN.link },
    }));

  it('in the ID token: the line has both', () =>
    check({
      arrange: claims({ iss: 'https://sso.example.com' }),
      status: 502,
      reason: 'id_token_issuer',
      page: [/Sign-in did not work/],
      line: ['sign_in_failed', /"http:\/\/127\.0\.0\.1:\d+".*"https:\/\/sso\.example\.com"/],
      counters: ['sign_in_failed_id_token_issuer'],
      on: TRY_AGAIN,
    }));

  it('at the callback: the line has both, and the code is not sent', () =>
    check({
      arrange: (provider) => void (provider.lies.redirect = (parameters) => ({ ...parameters, iss: 'https://sso.example.com' })),
      status: 400,
      reason: 'issuer_mismatch',
      page: [/another sign-in service/],
      line: ['sign_in_failed', /"http:\/\/127\.0\.0\.1:\d+".*"https:\/\/sso\.example\.com"/],
      counters: ['sign_in_failed_issuer_mismatch'],
      on: TRY_AGAIN,
    }));
});

describe('9. a loop of redirects', () => {
  it('by a script: 401 with the address to sign in at, never a redirect and never a cookie', async () => {
    const { gateway, visitor } = await sharedStage();
    const [mark, [denied, begun]] = [gateway.mark(), await countersOf(gateway, ['denied_session_missing', 'sign_in_begun'])];
    for (let time = 1; time <= 20; time += 1) {
      const problem = assertProblem(await visitor.call('/api/chat'), 401, 'session_missing');
      assert.equal(problem.sign_in, '/api/login');
    }
    assert.deepEqual(visitor.jar.names('localhost'), []);
    assert.equal(gateway.auditLog(mark).filter(({ event, reason }) => event === 'denied' && reason === 'session_missing').length, 20);
    assert.deepEqual(await countersOf(gateway, ['denied_session_missing', 'sign_in_begun']), [denied + 20, begun]);
  });

  it('by a script, where a rule redirects everybody: the browser keeps five sign-ins, and the person can still sign in', async () => {
    const { visitor } = await start({
      plugin: (configuration) => void configuration.rules.unshift({ match: { path: '/api/chat' }, require: 'authenticated', unauthenticated: 'redirect' }),
    });
    for (let time = 1; time <= 20; time += 1) {
      const answered = await visitor.call('/api/chat');
      assert.deepEqual([answered.status, attemptCookies(answered).length], [302, 1]);
    }
    assert.equal(visitor.jar.names('localhost').length, 5);
    assert.equal((await visitor.signIn('/analytics')).status, 200);
  });

  it('by a browser, because replicas have different configurations: the third redirect is a page, and the lines say what differs', async () => {
    const { provider, application, gateway: one } = await start();
    const configuration = (settings) => {
      settings.origins = [one.origin];
      settings.session.claims = ['address'];
    };
    const other = keep(await startGateway({ provider, application, key: one.key, plugin: configuration }));
    // A load balancer: callbacks reach one replica, and pages the other.
    const visitor = new Visitor({ origin: one.origin });
    const at = (replica) => void (visitor.ports[one.host] = replica.port);
    assert.equal((await visitor.signIn('/members')).status, 200);
    for (let round = 1; round <= 2; round += 1) {
      at(other);
      const sent = await visitor.open('/analytics?wanted=1');
      assert.equal(sent.status, 302, sent.reason);
      const { location } = await visitor.open(sent.location.href);
      at(one);
      assert.equal((await visitor.open(location.href, FROM_PROVIDER)).status, 303);
    }
    at(other);
    const last = await visitor.open('/analytics?wanted=1');
    assertRefused(last, 400, 'session_refused_again');
    assert.ok(linksOf(last).includes(TRY_AGAIN.link), last.body);
    const said = /under another configuration of provider "demo"/;
    assert.equal(linesSaying(other, 0, 'session_refused', said).length, 2);
    assert.equal(linesSaying(other, 0, 'denied', said)[0].reason, 'session_refused_again');
    assert.deepEqual(await countersOf(other, ['session_refused', 'denied_session_refused_again']), [3, 1]);
  });
});

describe('10. the provider is not reached, or does not accept the client', () => {
  const hangs = (provider) => void (provider.delay.token = 3000);
  const failing =
    (endpoint, ...told) =>
    (provider) =>
      void (provider.intercept[endpoint] = (_, response) => answer(response, ...told));

  it('nobody listens there: the line has the address, the cluster, the words of Envoy, and the counters to look at', () =>
    check({
      stage: { prepare: (provider) => provider.refuse() },
      status: 503,
      reason: 'metadata_unavailable',
      page: [/Signing in is not possible right now/],
      line: [
        'fetch_failed',
        /openid-configuration \(cluster provider\) was not reached: status 503; Envoy says "reset reason: remote connection failure.*upstream_cx_connect_fail/,
      ],
      counters: ['denied_metadata_unavailable', 'fetch_metadata_failed'],
      on: { link: TRY_AGAIN.link },
    }));

  for (const [what, arrange, status, reason, page, line] of [
    ['it hangs', hangs, 504, 'token_endpoint_timeout', /took too long/, /did not answer within 1000 ms/],
    ['it answers 503', failing('token', 503, ''), 502, 'token_endpoint_unreachable', /could not be reached/, /status 503/],
    [
      'the secret is wrong',
      failing('token', 401, { error: 'invalid_client', error_description: 'no such secret' }),
      502,
      'client_authentication_failed',
      /not set up correctly/,
      /invalid_client.*no such secret.*token_endpoint_auth_method client_secret_basic was tried: check it, client_id and client_secret/,
    ],
    [
      'the client may not do this',
      failing('token', 400, { error: 'unauthorized_client' }),
      502,
      'token_request_refused',
      /not set up correctly/,
      /unauthorized_client/,
    ],
  ])
    it(`${what}: the line says so`, () =>
      check({
        arrange,
        status,
        reason,
        page: [page],
        line: ['sign_in_failed', line],
        counters: [`sign_in_failed_${reason}`],
        on: TRY_AGAIN,
      }));
});
