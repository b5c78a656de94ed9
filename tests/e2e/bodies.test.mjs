// Bodies at our own endpoints, in a real Envoy: how they may arrive, what is refused, and that no upstream ever gets the request, even if the part of Envoy's
// configuration that this needs is missing.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import { managerOf } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { authorized, exchange, overHttp2 } from './lib/spa.mjs';
import { assertProblem, assertRefused, onStage } from './lib/stage.mjs';

/** envoy/spa-tokens.yaml against the misbehaving provider, whose keys are elsewhere. */
const spa = (options = {}) => ({
  scenario: 'spa-tokens',
  plugin: (configuration) => {
    const { metadata } = configuration.providers[0];
    metadata.jwks_uri = metadata.jwks_uri.replace('/jwks', '/keys');
  },
  ...options,
});
const managed = (change) => (bootstrap) => void change(managerOf(bootstrap.static_resources.listeners[0]));
const keepTrailers = managed((manager) => (manager.http_protocol_options = { enable_trailers: true }));

/** The most bytes of a body that are read. */
const LARGEST = 65_536;
const filled = (content, size) => {
  const rest = size - Buffer.byteLength(JSON.stringify({ ...content, pad: '' }));
  return JSON.stringify({ ...content, pad: 'x'.repeat(rest) });
};

describe('a body at an endpoint of ours', () => {
  const stage = onStage(spa({ envoy: keepTrailers }));

  async function begun() {
    const visitor = stage.visitor();
    return { visitor, ...(await authorized(visitor)) };
  }

  function assertReleased(answer) {
    assert.equal(answer.status, 200, answer.body);
    assert.match(JSON.parse(answer.body).access_token, /^access-/);
    assert.deepEqual(stage.application.requests, []);
  }

  it('is read in one piece', async () => {
    const { visitor, code } = await begun();
    assertReleased(await exchange(visitor, { code }));
  });

  it('is read byte by byte, chunked, without a length', async () => {
    const { visitor, code } = await begun();
    const text = JSON.stringify({ code });
    const byteByByte = (request) => {
      request.setNoDelay(true);
      const send = (at) => (at < text.length ? request.write(text[at], () => setImmediate(send, at + 1)) : request.end());
      send(0);
    };
    assertReleased(await exchange(visitor, byteByByte));
  });

  it('is read with trailers after it', async () => {
    const { visitor, code } = await begun();
    const withTrailers = (request) => {
      request.write(JSON.stringify({ code }));
      request.addTrailers({ 'x-forwarded-user': 'root', 'x-checksum': 'abc' });
      request.end();
    };
    assertReleased(await exchange(visitor, withTrailers, { headers: { trailer: 'x-checksum' } }));
  });

  it('is read over HTTP/2, in one frame, in many, and with trailers', async () => {
    for (const [cut, more] of [
      [1, {}],
      [7, {}],
      [7, { trailers: { 'x-checksum': 'abc' } }],
      [1, { trailers: { 'x-checksum': 'abc' } }],
    ]) {
      const { visitor, code } = await begun();
      const text = JSON.stringify({ code });
      const size = Math.ceil(text.length / cut);
      const frames = Array.from({ length: cut }, (_, index) => text.slice(index * size, (index + 1) * size));
      assertReleased(await overHttp2(visitor, '/api/token', frames, more));
    }
  });

  it('is held while the provider takes its time, and the answer comes', async () => {
    const { visitor, code } = await begun();
    stage.provider.delay.token = 300;
    assertReleased(await exchange(visitor, { code }));
  });

  it('of exactly 64 KiB is read; one byte more is 413, with a length or without', async () => {
    const { visitor, code } = await begun();
    assertProblem(await exchange(visitor, filled({ code }, LARGEST + 1)), 413, 'body_too_large');
    const chunked = (request) => request.end(filled({ code }, LARGEST + 1));
    assertProblem(await exchange(visitor, chunked), 413, 'body_too_large');
    assert.equal((await overHttp2(visitor, '/api/token', [filled({ code }, LARGEST + 1)])).status, 413);
    assert.equal(stage.provider.count('token'), 0);
    assertReleased(await exchange(visitor, filled({ code }, LARGEST)));
  });

  it('is refused before it is sent if its announced length is too large', async () => {
    const lines = [`Origin: ${stage.gateway.origin}`, 'Content-Type: application/json', 'Content-Length: 999999999'];
    const answer = await sendRaw(stage.gateway.port, requestText('POST', '/api/token', stage.gateway.host, lines));
    assert.deepEqual([answer.status, answer.reason], [413, 'body_too_large']);
  });

  for (const [what, status, reason, body, headers] of [
    ['nothing', 400, 'body_malformed', '', {}],
    ['text', 400, 'body_malformed', 'code=x', {}],
    ['half of it', 400, 'body_malformed', '{"code":"x"', {}],
    ['two values', 400, 'body_malformed', '{"code":"x"} {}', {}],
    ['a list', 400, 'body_malformed', '["x"]', {}],
    ['a member twice', 400, 'body_malformed', '{"code":"x","code":"y"}', {}],
    ['a member twice, once escaped', 400, 'body_malformed', '{"code":"x","c\\u006fde":"y"}', {}],
    ['a deep nest', 400, 'body_malformed', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, {}],
    ['bytes that are no UTF-8', 400, 'body_malformed', (request) => request.end(Buffer.from('{"code":"\xff"}', 'latin1')), {}],
    ['a code that is a number', 400, 'body_malformed', '{"code":5}', {}],
    ['no code', 400, 'code_missing', '{}', {}],
    ['a form', 415, 'body_type_refused', 'code=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text, as another site may send it', 415, 'body_type_refused', '{"code":"x"}', { 'content-type': 'text/plain' }],
    ['no type', 415, 'body_type_refused', '{"code":"x"}', { 'content-type': undefined }],
    ['compressed', 415, 'body_type_refused', '{"code":"x"}', { 'content-encoding': 'gzip' }],
  ]) {
    it(`${what}: ${status} ${reason}`, async () => {
      const { visitor, code } = await begun();
      assertProblem(await exchange(visitor, body, { headers }), status, reason);
      assert.equal(stage.provider.count('token'), 0);
      assert.deepEqual(stage.application.requests, []);
      assertReleased(await exchange(visitor, { code }));
    });
  }

  it('is empty if the request ends with its headers', async () => {
    const { visitor } = await begun();
    const answer = await overHttp2(visitor, '/api/token', []);
    assert.deepEqual([answer.status, answer.reason], [400, 'body_malformed']);
  });

  it('disturbs no other request if its client leaves, before its end or while the provider is asked', async () => {
    const { visitor, code } = await begun();
    const head = (length) =>
      requestText('POST', '/api/token', stage.gateway.host, [
        `Origin: ${stage.gateway.origin}`,
        `Cookie: ${visitor.jar.header('localhost', '/')}`,
        'Content-Type: application/json',
        `Content-Length: ${length}`,
      ]);
    const before = await stage.gateway.stats('downstream_cx_destroy$');
    const half = net.connect(stage.gateway.port, '127.0.0.1');
    half.write(`${head(1_000)}{"code":"`);
    await once(half, 'connect');
    half.destroy();
    const gone = ([name]) => name.startsWith('http.gateway');
    const count = (stats) => Object.entries(stats).find(gone)?.[1] ?? 0;
    await eventually('Envoy has seen it go', async () => count(await stage.gateway.stats('downstream_cx_destroy$')) > count(before));
    assert.equal(stage.provider.count('token'), 0);

    stage.provider.delay.token = 300;
    const whole = net.connect(stage.gateway.port, '127.0.0.1');
    const text = JSON.stringify({ code });
    whole.write(`${head(text.length)}${text}`);
    await eventually('the provider is asked', () => stage.provider.count('token') === 1);
    whole.destroy();
    stage.provider.delay = {};
    const other = await begun();
    assertReleased(await exchange(other.visitor, { code: other.code }));
  });

  it('of a request from another site is refused before it is read', async () => {
    const { visitor, code } = await begun();
    for (const headers of [
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { origin: undefined, 'sec-fetch-site': 'none' },
    ]) {
      assertProblem(await exchange(visitor, { code }, { headers }), 403, 'cross_site');
    }
  });

  it('is not read at other paths: uploads reach the application', async () => {
    const answer = await stage
      .visitor()
      .call('/api/analytics', { method: 'POST', body: 'x'.repeat(1_000_000) })
      .catch((error) => ({ status: error.code }));
    assert.ok([401, 'ECONNRESET', 'EPIPE'].includes(answer.status), String(answer.status));
    assert.deepEqual(stage.application.requests, []);
  });
});

const routesOf = (manager) => manager.route_config.virtual_hosts[0].routes;
const withoutBuffer = (manager) => (manager.http_filters = manager.http_filters.filter(({ name }) => !name.endsWith('buffer')));
const withoutRoute = (manager) => manager.route_config.virtual_hosts[0].routes.shift();
const towards = (route) => (manager) => {
  const [first] = routesOf(manager);
  delete first.direct_response;
  first.route = route;
};

/** [what is wrong, how, status, what the log says] */
const MISTAKES = [
  ['the buffer filter is missing', [withoutBuffer], 404, /answered_elsewhere/],
  ['the buffer filter is not enabled on the route', [(manager) => delete routesOf(manager)[0].typed_per_filter_config], 404, /answered_elsewhere/],
  ['the route is missing', [withoutRoute], 500, /direct_response/],
  ['both are missing', [withoutBuffer, withoutRoute], 500, /direct_response/],
  ['the route leads to a cluster, without buffer', [withoutBuffer, towards({ cluster: 'application' })], 500, /direct_response/],
  [
    'the route leads to weighted clusters, without buffer',
    [withoutBuffer, towards({ weighted_clusters: { clusters: [{ name: 'application', weight: 1 }] } })],
    500,
    /direct_response/,
  ],
  ['the route leads where a header says, without buffer', [withoutBuffer, towards({ cluster_header: 'x-cluster' })], 500, /direct_response/],
  [
    'the route depends on a header that only the client sent, without buffer',
    [withoutBuffer, (manager) => (routesOf(manager)[0].match.headers = [{ name: 'x-forwarded-user', present_match: true }])],
    404,
    /answered_elsewhere/,
  ],
];

for (const [what, changes, status, said] of MISTAKES) {
  describe(`when ${what}`, () => {
    const stage = onStage(spa({ envoy: managed((manager) => changes.forEach((change) => change(manager))) }));

    it(`the answer is ${status}, the log says why, and nothing reaches the application`, async () => {
      const visitor = stage.visitor();
      const { code } = await authorized(visitor);
      const mark = stage.gateway.mark();
      const headers = { 'x-cluster': 'application', 'x-forwarded-user': 'root', authorization: 'Basic eDp5' };
      const slowly = (request) => {
        request.write('{"code":');
        setTimeout(() => request.end(`"${code}"}`), 200);
      };
      for (const body of [JSON.stringify({ code }), slowly]) {
        const answer = await exchange(visitor, body, { headers }).catch((error) => ({ status: error.code }));
        if (status === 500) assertRefused(answer, 500, 'internal');
        else assert.ok([404, 'EPIPE', 'ECONNRESET'].includes(answer.status), String(answer.status));
      }
      await eventually('the log says why', () => said.test(stage.gateway.log(mark)));
      assert.deepEqual(stage.application.requests, []);
      assert.equal(stage.provider.count('token'), 0);
    });
  });
}
