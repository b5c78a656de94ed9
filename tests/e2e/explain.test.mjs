// `accredit explain` beside a real Envoy: both are asked the same, about generated requests of somebody who is signed in and of nobody, behind different
// settings of the connection manager. Which words explain a decision is tested beside the code (src/cli/explain/tests).

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { accredit } from './lib/cli.mjs';
import { has } from './lib/differences.mjs';
import { managerOf } from './lib/gateway.mjs';
import { temporaryFolder } from './lib/process.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { onStage } from './lib/stage.mjs';

const REQUESTS = 50;

const rules = (configuration) => {
  const staff = { claim: 'groups', any_of: ['staff'] };
  configuration.rules = [
    { match: { path: '/' }, require: 'public' },
    { match: { path_separated_prefix: '/members' }, require: staff },
    { match: { path: '/report' }, require: { not: { claim: 'groups', any_of: ['guests'] } } },
    { match: { path: '/docs/**/private' }, require: staff },
    { match: { path: '/docs/**' }, require: 'public' },
    { match: { path_separated_prefix: '/api', methods: ['GET'] }, require: 'authenticated', unauthenticated: 'respond' },
    { match: { path_separated_prefix: '/files' }, allow_in_path: ['%2F', ';'], require: 'authenticated' },
  ];
};

/** Numbers that look random, the same ones in every run. */
function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SEGMENTS = ['members', 'members', 'members.json', 'Members', 'report', 'docs', 'docs', 'private', 'api', 'api', 'files', 'files', 'a', 'b'];
const ODD = [
  // The command reads these as Envoy does from 1.39.1 on. An older one hands them to Accredit, which refuses them (allowed-paths.test.mjs).
  ...((await has('dots_with_parameters')) ? ['..;x', '.;'] : []),
  '',
  '.',
  '..',
  '%2e%2e',
  '%2E',
  '%6Dembers',
  'a%2Fb',
  'a%2f..',
  'a;b',
  'a%5Cb',
  'a\\b',
  'a%00',
  'a%20',
  'a.',
  '%c3%a9',
  'a|b',
  '%25',
  '%zz',
];
// Of other methods, Envoy's parser of HTTP/1 refuses most before it looks at anything else.
const METHODS = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PURGE', 'PUT'];
const LINES = [
  [],
  ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Site: none', 'Accept: text/html'],
  ['Sec-Fetch-Site: same-origin'],
  ['X-Forwarded-User: root'],
  ['Connection: x-forwarded-user'],
];

function requests(host, seed) {
  const next = numbers(seed);
  const one = (list) => list[next(list.length)];
  const port = host.split(':')[1];
  const hosts = [...Array(12).fill(host), host.toUpperCase(), 'localhost', `localhost.:${port}`, 'evil.example'];
  return Array.from({ length: REQUESTS }, () => {
    const segments = Array.from({ length: next(4) }, () => one(next(3) === 0 ? ODD : SEGMENTS));
    return {
      method: one(METHODS),
      target: `/${segments.join('/')}${one(['', '', '?', '?a=/../b'])}`,
      host: one(hosts),
      lines: one(LINES),
      signedIn: next(3) > 0,
    };
  });
}

for (const [what, envoy, seed] of [
  ['as shipped', () => {}, 1],
  [
    'that keeps escaped slashes and takes ports and dots off the host',
    (bootstrap) => {
      const manager = managerOf(bootstrap.static_resources.listeners[0]);
      Object.assign(manager, { path_with_escaped_slashes_action: 'KEEP_UNCHANGED', strip_trailing_host_dot: true, merge_slashes: false });
    },
    2,
  ],
]) {
  describe(`an Envoy ${what}, and the command`, () => {
    const stage = onStage({ plugin: rules, envoy });

    it(`answer ${REQUESTS} generated requests alike`, async () => {
      const { gateway } = stage;
      const file = join(temporaryFolder(), 'envoy.json');
      writeFileSync(file, JSON.stringify(gateway.bootstrap));
      const cookies = join(temporaryFolder(), 'cookies.txt');
      const cookie = (await stage.signedIn()).jar.header('localhost', '/');
      writeFileSync(cookies, cookie);
      const environment = { OIDC_CLIENT_SECRET: 'unused', ACCREDIT_KEY: gateway.key };

      const seen = new Map();
      for (const { method, target, host, lines, signedIn } of requests(gateway.host, seed)) {
        const sent = requestText(method, target, host, signedIn ? [...lines, `Cookie: ${cookie}`] : lines);
        const { status, reason } = await sendRaw(gateway.port, sent);
        const headers = lines.flatMap((line) => ['--header', line]);
        const who = signedIn ? ['--session', cookies] : [];
        const words = ['explain', '--json', file, '--method', method, `--url=http://${host}${target}`, ...headers, ...who];
        const { code, out, err } = await accredit(words, { environment });
        assert.ok(code < 2, err);
        const { answer } = JSON.parse(out);
        // Envoy's parser of HTTP/1 refuses what the filter would refuse, too, and does not say why.
        const byEnvoy = status === 400 && reason === undefined;
        const expected = { status, reason: byEnvoy ? undefined : reason };
        const explained = { status: answer.status ?? 200, reason: byEnvoy ? undefined : (answer.reason ?? undefined) };
        assert.deepEqual(explained, expected, `${method} ${host}${target} ${lines} ${signedIn ? 'signed in' : ''}: ${out}`);
        assert.equal(code, answer.name === 'allowed' ? 0 : 1);
        seen.set(answer.name, (seen.get(answer.name) ?? 0) + 1);
      }
      assert.ok(seen.get('allowed') > 3 && seen.get('denied') > 3, JSON.stringify([...seen]));
    });
  });
}

describe('an Envoy whose routes name policies, and the command', () => {
  const routes = (bootstrap) => {
    const [host] = managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts;
    const { route } = host.routes.at(-1);
    const to = (match, policy) => ({ match, route, ...(policy !== undefined && { metadata: { filter_metadata: { accredit: { policy } } } }) });
    const posts = [{ name: ':method', string_match: { exact: 'POST' } }];
    host.routes = [
      to({ path: '/exact' }, 'members'),
      to({ path: '/Folded', case_sensitive: false }, 'members'),
      to({ path_separated_prefix: '/api' }, 'members'),
      to({ prefix: '/posts', headers: posts }, 'members'),
      to({ safe_regex: { regex: '/v[0-9]+/(a|b)+' } }, 'members'),
      to({ prefix: '/empty' }, ''),
      to({ prefix: '/number' }, 5),
      to({ prefix: '/unknown' }, 'nobody-defined-this'),
      to({ prefix: '/' }),
    ];
  };
  const policies = (configuration) => {
    configuration.policies = { members: { claim: 'groups', any_of: ['members'] } };
    configuration.route_policies = { filter_metadata: 'accredit' };
    configuration.rules = [{ require: 'authenticated' }];
  };
  const stage = onStage({ plugin: policies, envoy: routes });

  it('find the same route', async () => {
    const { gateway } = stage;
    const bob = await stage.signedIn();
    const [file, cookies] = ['envoy.json', 'cookies.txt'].map((name) => join(temporaryFolder(), name));
    writeFileSync(file, JSON.stringify(gateway.bootstrap));
    writeFileSync(cookies, bob.jar.header('localhost', '/'));
    const environment = { OIDC_CLIENT_SECRET: 'unused', ACCREDIT_KEY: gateway.key };
    const seen = new Set();
    for (const [method, target] of [
      ...['/exact', '/exact?a=b', '/exact/', '/FOLDED', '/api', '/api/x', '/apis', '/posts', '/v12/aab', '/v12/aabc', '/v/a'].map((path) => ['GET', path]),
      ...['/empty', '/number', '/unknown', '/x/../exact', '/api%2Fx'].map((path) => ['GET', path]),
      ['POST', '/posts'],
    ]) {
      const origin = 'Sec-Fetch-Site: same-origin';
      const sent = requestText(method, target, gateway.host, [origin, `Cookie: ${bob.jar.header('localhost', '/')}`]);
      const { status, reason } = await sendRaw(gateway.port, sent);
      const words = ['explain', '--json', file, '--method', method, `--url=http://${gateway.host}${target}`, '--header', origin, '--session', cookies];
      const { out } = await accredit(words, { environment });
      const { answer } = JSON.parse(out);
      assert.deepEqual([answer.status ?? 200, answer.reason ?? undefined], [status, reason], `${method} ${target}: ${out}`);
      seen.add(reason);
    }
    assert.deepEqual([...seen].filter(Boolean).sort(), ['condition_failed', 'route_policy_unknown']);
  });
});
