// First visits in a real Envoy while the user service or the mail service is down, hangs or gives strange answers, and while another request does the same:
// nobody gets a session without an account, nobody gets two accounts, and a letter that cannot be sent stops no sign-in.
//
// The file is envoy/bff.yaml with the `accounts` of envoy/password-and-popup.yaml, so that errors are shown in a page.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startDemoMail, startDemoUsers } from './lib/demo.mjs';
import { configurationOf, pluginOf, pointCluster, shipped } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { FAULTS, LARGE, MARK, always, hang, startService } from './lib/service.mjs';
import { assertRefused, assertSafePage, onStage, sessionCookies } from './lib/stage.mjs';

const CAROL = { sub: 'carol', email: 'carol@example.com', email_verified: true, given_name: 'Carol', family_name: 'Clark' };
const USER = { id: 7, email: 'carol@example.com', role: 'user' };
const ABSENT = always(404, { error: 'nobody has this address' });
const FOUND = always(200, USER);
const CREATED = always(201, USER);
const CONFLICT = always(409, { error: 'somebody has this address' });
const SENT = always(200, { sent: true });

/** Answers in turn: each call gets the next answer, and all further calls the last one. */
const inTurn =
  (...answers) =>
  (...call) =>
    (answers.length > 1 ? answers.shift() : answers[0])(...call);
/** A user service with different answers for find and create. */
const byCall =
  ({ find = ABSENT, create = CREATED }) =>
  (request, response, received) =>
    (request.method === 'GET' ? find : create)(request, response, received);

/** `services` starts the user service and the mail service: {users, mail}, each with a port. Calls time out after a second, so that tests can let them hang. */
function onVisitStage(services, { timeout = '1s', ...options } = {}) {
  let around;
  before(async () => (around = await services()));
  const plugin = (configuration) => {
    const { accounts } = configurationOf(pluginOf(shipped('password-and-popup').static_resources.listeners[0]));
    delete accounts.verify;
    for (const call of ['find', 'create', 'notify']) accounts[call].timeout = timeout;
    configuration.accounts = accounts;
    configuration.endpoints.popup = '/api/popup';
    configuration.popup = {};
  };
  const envoy = (bootstrap) => {
    const { clusters } = shipped('password-and-popup').static_resources;
    bootstrap.static_resources.clusters.push(...clusters.filter(({ name }) => ['users', 'mail'].includes(name)));
    for (const name of ['users', 'mail']) pointCluster(bootstrap, name, around[name].port);
    options.envoy?.(bootstrap);
  };
  const stage = onStage({ ...options, plugin, envoy, prepare: (provider) => void (provider.user = CAROL) });
  after(async () => {
    for (const service of Object.values(around)) await service.stop();
  });
  return Object.assign(stage, {
    around: () => around,
    /** Resolves with a function that says how much the counters of first visits have grown since. */
    async counting() {
      const names = ['accredit_account_created', 'accredit_notify_ok', 'accredit_notify_failed', 'accredit_sign_in_completed'];
      const read = () => Promise.all(names.map((name) => stage.gateway.counter(name)));
      const before = await read();
      return async () => (await read()).map((count, index) => count - before[index]);
    },
  });
}

describe('a first visit', () => {
  const stage = onVisitStage(async () => ({ users: await startService(byCall({})), mail: await startService(SENT) }));
  let users, mail;
  beforeEach(async () => {
    ({ users, mail } = stage.around());
    await users.behave();
    await mail.behave();
  });
  const asked = () => users.requests.map(({ method, url }) => `${method} ${url}`);
  const FIND = 'GET /api/users/email/carol%40example.com';
  const CREATE = 'POST /api/users';

  async function assertNotSignedIn(visitor, landing, status, reason) {
    assertRefused(landing, status, reason);
    assertSafePage(landing);
    assert.match(landing.headers['content-type'], /^text\/html/);
    assert.match(landing.body, /<h1[^>]*>[^<]{10,}<\/h1>/);
    assert.ok(!JSON.stringify([landing.headers, landing.body]).includes(MARK), 'the page says what the service said');
    for (const answer of landing.trail) assert.deepEqual(sessionCookies(answer), []);
    assert.deepEqual(
      visitor.jar.names('localhost').filter((name) => /^__Host-accredit(-\d+)?$/.test(name)),
      [],
    );
    assert.equal((await visitor.call('/api/session')).status, 401);
    assert.deepEqual(stage.application.requests, []);
  }

  async function assertSignedIn(visitor, landing) {
    assert.equal(landing.status, 200, `${landing.reason} ${landing.body.slice(0, 300)}`);
    assert.equal((await visitor.call('/api/session')).json().subject, '7');
  }

  it('finds, creates and notifies: three calls, one letter, one session', async () => {
    const counted = await stage.counting();
    const visitor = stage.visitor();
    await assertSignedIn(visitor, await visitor.signIn());
    assert.deepEqual(asked(), [FIND, CREATE]);
    const { password, ...created } = JSON.parse(users.requests[1].body);
    assert.deepEqual(created, { email: 'carol@example.com', firstName: 'Carol', lastName: 'Clark' });
    assert.match(password, /^[\w-]{43}$/);
    assert.deepEqual(
      mail.requests.map(({ method, url, body }) => [method, url, JSON.parse(body)]),
      [['POST', '/api/mail/send-welcome', { email: 'carol@example.com', firstName: 'Carol' }]],
    );
    assert.deepEqual(await counted(), [1, 1, 0, 1]);
    assert.ok(!stage.gateway.log().includes(password));
  });

  for (const [what, status, reason, misbehave] of FAULTS) {
    it(`while the user service ${what} when it is asked to find the person: ${status} ${reason}, nobody is created, and later it works`, async () => {
      const [mark, visitor] = [stage.gateway.mark(), stage.visitor()];
      await misbehave(users);
      await assertNotSignedIn(visitor, await visitor.signIn(), status, reason);
      assert.ok(
        asked().every((call) => call === FIND),
        String(asked()),
      );
      assert.deepEqual(mail.requests, []);
      await users.behave();
      await assertSignedIn(visitor, await visitor.signIn());
      assert.ok(!stage.gateway.log(mark).includes(MARK), 'the log says what the service said');
    });

    it(`while the user service ${what} when it is asked to create the person: 502 account_not_created, no letter, and later it works`, async () => {
      const [mark, visitor, counted] = [stage.gateway.mark(), stage.visitor(), await stage.counting()];
      // It answers that nobody was found, and misbehaves from then on.
      users.respond = async (...call) => {
        if (what === 'accepts no connection') return users.answerAndDie(...call.slice(0, 2), 404, '{}');
        await misbehave(users);
        const create = users.respond;
        users.respond = byCall({ create });
        ABSENT(...call);
      };
      await assertNotSignedIn(visitor, await visitor.signIn(), 502, 'account_not_created');
      assert.deepEqual(asked().slice(0, 2), what === 'accepts no connection' ? [FIND] : [FIND, CREATE]);
      assert.ok(
        asked()
          .slice(2)
          .every((call) => call === FIND),
        String(asked()),
      );
      assert.deepEqual([mail.requests, await counted()], [[], [0, 0, 0, 0]]);
      const [line, ...more] = stage.gateway.auditLog(mark).filter(({ event }) => event === 'sign_in_failed');
      assert.deepEqual([line.reason, more], ['account_not_created', []]);
      await users.behave();
      await assertSignedIn(visitor, await visitor.signIn());
      assert.ok(!stage.gateway.log(mark).includes(MARK), 'the log says what the service said');
    });
  }

  it('of a person who was created meanwhile: looked up again, signed in, and no letter', async () => {
    const [visitor, counted] = [stage.visitor(), await stage.counting()];
    users.respond = byCall({ find: inTurn(ABSENT, FOUND), create: CONFLICT });
    await assertSignedIn(visitor, await visitor.signIn());
    assert.deepEqual([asked(), mail.requests, await counted()], [[FIND, CREATE, FIND], [], [0, 0, 0, 1]]);
  });

  it('of a person who exists already, but is not found: 502 account_not_created, after one more lookup', async () => {
    const [visitor, counted] = [stage.visitor(), await stage.counting()];
    users.respond = byCall({ create: CONFLICT });
    await assertNotSignedIn(visitor, await visitor.signIn(), 502, 'account_not_created');
    assert.deepEqual([asked(), mail.requests, await counted()], [[FIND, CREATE, FIND], [], [0, 0, 0, 0]]);
  });

  for (const [what, body] of [
    ['nothing', ''],
    ['a page', `<p>${MARK}`],
    ['3 MB of rubbish', LARGE.rubbish],
    ['no number', { created: true }],
  ]) {
    it(`whose creation is answered with ${what}: looked up again, signed in, one letter`, async () => {
      const [visitor, counted] = [stage.visitor(), await stage.counting()];
      users.respond = byCall({ find: inTurn(ABSENT, FOUND), create: always(201, body) });
      await assertSignedIn(visitor, await visitor.signIn());
      assert.deepEqual([asked(), mail.requests.length, await counted()], [[FIND, CREATE, FIND], 1, [1, 1, 0, 1]]);
    });
  }

  it('whose second lookup fails: an error, and no session', async () => {
    for (const [find, status, reason] of [
      [hang, 504, 'accounts_timeout'],
      [always(500, MARK), 502, 'accounts_unreachable'],
      [always(200, MARK), 502, 'accounts_malformed'],
    ]) {
      const visitor = stage.visitor();
      users.respond = byCall({ find: inTurn(ABSENT, find), create: CONFLICT });
      await assertNotSignedIn(visitor, await visitor.signIn(), status, reason);
    }
  });

  it('in a popup: the page that opened it gets the reason, and nothing else', async () => {
    const failing = [
      [{ find: hang }, 504, 'accounts_timeout'],
      [{ find: always(200, MARK) }, 502, 'accounts_malformed'],
      [{ create: always(500, MARK) }, 502, 'account_not_created'],
    ];
    for (const [calls, status, reason] of failing) {
      const visitor = stage.visitor();
      users.respond = byCall(calls);
      const { authorize_url: url } = (await visitor.call('/api/popup')).json();
      const page = await visitor.follow(await visitor.open(url));
      await assertNotSignedIn(visitor, page, status, reason);
      const told = JSON.parse(/<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(page.body)[1]);
      assert.deepEqual(told, { origin: stage.gateway.origin, message: { error: reason } });
    }
  });

  for (const [what, , , misbehave] of FAULTS.filter(([what]) => !/with 200|^says (a|half|3 MB of (JSON|rubbish)$)/.test(what))) {
    it(`while the mail service ${what}: signed in all the same; counted, and one line in the audit log`, async () => {
      const [mark, visitor, counted] = [stage.gateway.mark(), stage.visitor(), await stage.counting()];
      await misbehave(mail);
      await assertSignedIn(visitor, await visitor.signIn());
      assert.deepEqual(await counted(), [1, 0, 1, 1]);
      const lines = stage.gateway.auditLog(mark).filter(({ event }) => ['account_created', 'notify_failed', 'sign_in', 'sign_in_failed'].includes(event));
      assert.deepEqual(
        lines.map(({ event, subject }) => [event, subject]),
        [
          ['account_created', '7'],
          ['notify_failed', '7'],
          ['sign_in', '7'],
        ],
      );
      const log = stage.gateway.log(mark);
      assert.ok(!log.includes(MARK) && !log.includes('carol@example.com'), 'the log says what the service said, or to whom');
      assert.deepEqual(asked(), [FIND, CREATE]);
    });
  }

  it('leaves no call under way', async () => {
    const active = '^(http\\.gateway\\.downstream_rq_active|cluster\\.(users|mail)\\.upstream_rq_(pending_)?active)$';
    await eventually('all has ended', async () => {
      const counts = Object.values(await stage.gateway.stats(active));
      return counts.length >= 5 && counts.every((count) => count === 0);
    });
  });
});

describe('two first visits at the same moment', () => {
  let demo;
  before(async () => (demo = await startDemoUsers({ people: [] })));
  after(() => demo.stop());
  // A relay before the demo's user service, which waits for two lookups before it forwards them.
  const relay = async (request, response, { method, url, headers, body }) => {
    const told = await fetch(new URL(url, demo.url), method === 'GET' ? {} : { method, body, headers: { 'content-type': headers['content-type'] } });
    always(told.status, await told.text())(request, response);
  };
  const stage = onVisitStage(async () => ({ users: await startService(relay), mail: await startDemoMail() }), {
    timeout: '10s',
    concurrency: 2,
    envoy: (bootstrap) => void (bootstrap.static_resources.listeners[0].connection_balance_config = { exact_balance: {} }),
  });

  it('through two workers: one row, one letter, and both are signed in as the same user', async () => {
    const { users, mail } = stage.around();
    const connections = async () => Object.values(await stage.gateway.stats('^listener\\.127.*worker_\\d\\.downstream_cx_total$'));
    for (let round = 1; round <= 5; round += 1) {
      const email = `carol-${round}@example.com`;
      stage.provider.user = { ...CAROL, email, sub: `carol-${round}` };
      users.forget();
      const held = [];
      users.respond = async (...call) => {
        if (held.push(call) < 2) return;
        users.respond = relay;
        await Promise.all(held.map((each) => relay(...each)));
      };
      const visitors = [stage.visitor(), stage.visitor()];
      const callbacks = [await visitors[0].untilCallback(), await visitors[1].untilCallback()];
      // Envoy balances the open connections, so all earlier ones must have ended.
      await eventually('no connection is left', async () =>
        Object.values(await stage.gateway.stats('^listener\\.127.*_\\d+\\.downstream_cx_active$')).every((count) => count === 0),
      );
      const before = await connections();
      const landings = await Promise.all(visitors.map((visitor, index) => visitor.open(callbacks[index].href)));
      assert.deepEqual(
        (await connections()).map((count, index) => count - before[index]),
        [1, 1],
        'both went to one worker',
      );
      const sessions = [];
      for (const [index, visitor] of visitors.entries()) {
        assert.equal((await visitor.follow(landings[index])).status, 200, `${landings[index].reason} ${landings[index].body}`);
        sessions.push((await visitor.call('/api/session')).json().subject);
      }
      const rows = demo.rows().filter((row) => row.email === email);
      assert.deepEqual([rows.length, sessions], [1, [String(rows[0].id), String(rows[0].id)]]);
      const calls = users.requests.map(({ method }) => method);
      assert.deepEqual(calls.toSorted(), ['GET', 'GET', 'GET', 'POST', 'POST']);
      assert.equal(mail.letters().filter((letter) => letter.includes(email)).length, 1);
    }
    assert.deepEqual([demo.rows().length, mail.letters().length], [5, 5]);
    assert.deepEqual([await stage.gateway.counter('accredit_account_created'), await stage.gateway.counter('accredit_notify_ok')], [5, 5]);
  });
});
