// Paths with `%2F`, `;`, `%3F` and `%23`, which a rule may allow (`allow_in_path`) although servers read them differently: they arrive byte for byte where every
// reading falls to that rule, and get 400 everywhere else.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { has } from './lib/differences.mjs';
import { managerOf } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { assertNoPanic, assertRefused, onStage } from './lib/stage.mjs';

/** Everything that can be allowed is allowed wherever it can be, also on the last rule, which is public. */
const allowingEverything = (configuration) => {
  const allow_in_path = ['%2F', ';', '%3F', '%23'];
  configuration.rules = [
    { match: { path: '/analytics' }, require: 'authenticated' },
    { match: { path_separated_prefix: '/admin' }, require: { claim: 'groups', any_of: ['nobody'] } },
    { match: { path_separated_prefix: '/files/secret' }, allow_in_path, require: { claim: 'groups', any_of: ['nobody'] } },
    { match: { path_separated_prefix: '/files' }, allow_in_path, require: 'authenticated' },
    { allow_in_path, require: 'public' },
  ];
};

/** What an operator must change so that `%2F` reaches the filter. */
const keepsSlashes = (bootstrap) => {
  managerOf(bootstrap.static_resources.listeners[0]).path_with_escaped_slashes_action = 'KEEP_UNCHANGED';
};

const normalisesNothing = (bootstrap) => {
  keepsSlashes(bootstrap);
  Object.assign(managerOf(bootstrap.static_resources.listeners[0]), { normalize_path: false, merge_slashes: false });
};

const GOOD = [
  '/files/a%2Fb',
  '/files/a%2fb',
  '/files/a%2Fb%2Fc/d%2Fe.txt?x=%2F;y',
  '/files/a;v=1.2/b;w=3,4',
  '/files/What%3F',
  '/files/C%23/history?a=b',
  '/files/caf%C3%A9%2Fb;x=1%3Fy%23z',
];

/** These get 400 whether Envoy normalises the path or not. */
const ATTACKS = [
  '/files/..%2Fadmin',
  '/files/..%2fadmin',
  '/files%2F..%2Fadmin',
  '/files/a%2F..%2F..%2Fadmin',
  '/files/a%2F..',
  '/files/a%2F.',
  '/files/a%2F./b',
  '/files/%2e%2e%2Fadmin',
  '/files/a;x=..',
  '/files/a;x%2F..%2Fb',
  '/files/..%3Fx',
  '/files/..%23x',
  '/files/a.%2Fb',
  '/files/a.;x',
  '/files/a%20%2Fb',
  '/files/a%20;x',
  '/%2Fevil.example/a',
  '/files/%2Fa',
  '/files/a%2F%2Fb',
  '/files/a%2F/b',
  '/files/a%2F',
  '/files/a;',
  '/files/a;/b',
  '/files/a;;x',
  '/;/admin',
  '/;x/admin',
  '/files/%3Fx',
  '/files/a%2Fb%5Cc',
  '/files/a%2Fb%5cc',
  '/files/a;b%00.png',
  '/files/a%2Fb%00',
  '/files/a%2Fb%0d%0aX:%20y',
  '/files/a%2Fb%7F',
  '/files/a%252Fb',
  '/files/a%252e%252e%252fadmin',
  '/files/a%25',
  '/files/a%3Bb',
  '/files/a%2Fb%c0%af..',
  '/files/a%2Fb%ff',
  '/files/a%2%2FF..',
  '/files/a%%2F2F',
  // The readings of these fall to different rules, or to an endpoint.
  '/admin%2Fx',
  '/admin;x',
  '/admin;x/y',
  '/admin%3Fx',
  '/admin%23',
  '/files%2Fa',
  '/files/secret%2Fx',
  '/files/secret;x/y',
  '/files/secret%3Fx',
  '/api%2Flogin',
  '/api/session;x',
  '/api/callback%3Fx',
];

/** These get 400 too, unless Envoy repairs them first: then the rules and the application see the path behind the arrow. */
const REPAIRED = {
  '/files/../admin%2Fx': '',
  '/files/a%2Fb/../c': '/files/c',
  '/files//a%2Fb': '/files/a%2Fb',
  '/files/a%2Fb\\c': '/files/a%2Fb/c',
  '/files/%61%2Fb': '/files/a%2Fb',
  '/admin;x/../files/a': '/files/a',
  '/files/;/../admin': '/files/admin',
  '/files/..;/admin': '',
  '/files/..;x=1/admin': '',
  // An older Envoy leaves it as it is, and Accredit refuses it.
  '/files/.;x/admin': (await has('dots_with_parameters')) ? '/files/admin' : '',
};

for (const [what, envoy, attacks] of [
  ['when Envoy keeps escaped slashes', keepsSlashes, ATTACKS],
  ['when Envoy normalises nothing', normalisesNothing, [...ATTACKS, ...Object.keys(REPAIRED)]],
]) {
  describe(`a path with spellings that a rule allows, ${what}`, () => {
    const stage = onStage({ plugin: allowingEverything, envoy });
    afterEach(() => assertNoPanic(stage.gateway));
    const raw = (path, lines = []) => sendRaw(stage.gateway.port, requestText('GET', path, stage.gateway.host, lines));
    let cookie;
    const asSignedIn = async () => {
      cookie ??= `Cookie: ${(await stage.signedIn()).jar.header('localhost', '/')}`;
      return [cookie];
    };

    it('arrives byte for byte', async () => {
      const lines = await asSignedIn();
      for (const path of GOOD) assert.equal((await raw(path, lines)).status, 200, path);
      assert.deepEqual(
        stage.application.requests.map(({ url }) => url),
        GOOD,
      );
    });

    it('is decided by its rule, and not by one that asks for less', async () => {
      for (const path of GOOD) assert.equal((await raw(path, ['Sec-Fetch-Mode: cors'])).status, 401, path);
      const visitor = await stage.signedIn();
      assertRefused(await visitor.open('/files/secret/a%2Fb'), 403, 'condition_failed');
      assert.deepEqual(stage.application.requests, []);
    });

    it('is where a person returns after signing in', async () => {
      const landing = await stage.visitor().signIn('/files/a%2Fb;v=1/What%3F?x=%2F');
      assert.equal(landing.status, 200, landing.reason);
      assert.deepEqual(
        stage.application.requests.map(({ url }) => url),
        ['/files/a%2Fb;v=1/What%3F?x=%2F'],
      );
    });

    for (const path of attacks) {
      it(`is refused: ${JSON.stringify(path)}`, async () => {
        const answer = await raw(path, await asSignedIn());
        assert.deepEqual([answer.status, answer.reason ?? 'path_ambiguous'], [400, 'path_ambiguous']);
        assert.deepEqual(stage.application.requests, []);
      });
    }

    it('is refused with a line in the log that says which reading falls to which rule, and nothing of it in the answer', async () => {
      const mark = stage.gateway.mark();
      const answer = await raw('/files/secret%3Fx');
      assert.equal(answer.status, 400);
      assert.doesNotMatch(answer.body, /rules\[/);
      const denied = await eventually('the line in the log', () => stage.gateway.auditLog(mark).find(({ event }) => event === 'denied'));
      assert.equal(denied.detail, 'decoded, the path falls to rules[3], and read as "/files/secret" to rules[2]');
    });
  });
}

describe('a path that Envoy repairs before the rules see it', () => {
  const stage = onStage({ plugin: allowingEverything, envoy: keepsSlashes });

  for (const [path, repaired] of Object.entries(REPAIRED)) {
    it(`${JSON.stringify(path)} is decided as the application sees it`, async () => {
      const cookie = `Cookie: ${(await stage.signedIn()).jar.header('localhost', '/')}`;
      const answer = await sendRaw(stage.gateway.port, requestText('GET', path, stage.gateway.host, [cookie]));
      const arrived = stage.application.requests.map(({ url }) => url);
      assert.deepEqual([answer.status, ...arrived], repaired === '' ? [answer.status] : [200, repaired]);
      if (repaired === '') assert.ok([400, 403].includes(answer.status), `${answer.status}`);
    });
  }
});

describe('a path with spellings that a rule allows, under the shipped settings of Envoy', () => {
  const stage = onStage({ plugin: allowingEverything });

  it('arrives, except with an escaped slash, which Envoy refuses itself', async () => {
    const visitor = await stage.signedIn();
    for (const path of ['/files/a;v=1', '/files/What%3F', '/files/C%23']) assert.equal((await visitor.open(path)).status, 200, path);
    const refused = await visitor.open('/files/a%2Fb');
    assert.deepEqual([refused.status, refused.reason], [400, undefined]);
    assert.deepEqual(
      stage.application.requests.map(({ url }) => url),
      ['/files/a;v=1', '/files/What%3F', '/files/C%23'],
    );
  });
});
