// Forged headers: which of the headers and trailers that say who asks, or for which path and host, reach the application; and what an answer with a renewed
// session tells caches.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { configurationOf, newKey, pluginOf, shipped, startGateway } from './lib/gateway.mjs';
import { listen, sleep } from './lib/process.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { refusalsOf } from './lib/refusals.mjs';
import { assertNoPanic, onStage, sessionCookies } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

/** Headers in which other gateways pass on identity, or from which servers read another path, method or host. */
const LIES = [
  'Remote-User',
  'Remote-Groups',
  'Remote-Email',
  'Remote-Name',
  'X-Remote-Group',
  'X-Auth-Request-User',
  'X-Auth-Request-Groups',
  'X-WebAuth-User',
  'X-WebAuth-Role',
  'X-Goog-Authenticated-User-Email',
  'X-Amzn-Oidc-Identity',
  'X-Amzn-Oidc-Data',
  'X-Ms-Client-Principal',
  'X-Ms-Client-Principal-Id',
  'X-HTTP-Host-Override',
  'X-Forwarded-Path',
  'X-Original-Path',
  'X-Original-Method',
  'Proxy',
  'X-authentik-username',
  'Tailscale-User-Login',
  'Cf-Access-Authenticated-User-Email',
  'OIDC_CLAIM_sub',
  'X-Debug',
  'X-Team-Lead',
];
const TRUE = ['X-Request-Id', 'X-Forwarded-Proto', 'Traceparent', 'Cf-Connecting-Ip', 'X-Teams', 'X-Api-Key', 'X-Goog-Iap-Jwt-Assertion'];

const removing = (configuration) => {
  configuration.request_headers_to_remove = ['X-Debug', 'x-team-*'];
  configuration.claim_to_headers = [
    { claim_name: 'sub', header_name: 'remote-user' },
    { claim_name: 'groups', header_name: 'x-webauth-groups' },
  ];
};

describe('a forged header', () => {
  const stage = onStage({ plugin: removing });

  it('does not arrive in any spelling, on a public page or with a session, but claims that are set under such names do', async () => {
    const bob = await stage.signedIn();
    const spellings = LIES.flatMap((name) => [name, name.toUpperCase(), name.replaceAll('-', '_')]);
    for (const [path, cookie, user] of [
      ['/', [], []],
      ['/analytics', [`Cookie: ${bob.jar.header('localhost', '/')}`], ['user-1']],
    ]) {
      stage.application.forget();
      const lines = spellings.map((name) => `${name}: root`);
      assert.equal((await stage.raw('GET', path, { lines: [...lines, ...cookie] })).status, 200);
      const arrived = await stage.application.only(path);
      assert.deepEqual(headerValues(arrived, 'remote-user'), user);
      assert.deepEqual(
        LIES.filter((name) => name !== 'Remote-User' && headerValues(arrived, name).length > 0),
        [],
      );
      assert.equal(arrived.rawHeaders.includes('root'), false);
    }
  });

  it('is removed, but similar headers without such a meaning arrive', async () => {
    assert.equal((await stage.raw('GET', '/', { lines: TRUE.map((name) => `${name}: told`) })).status, 200);
    const arrived = await stage.application.only('/');
    assert.deepEqual(
      TRUE.filter((name) => headerValues(arrived, name).length !== 1),
      [],
    );
  });

  before(() => {
    stage.raw = (method, target, { lines = [] } = {}) => sendRaw(stage.gateway.port, requestText(method, target, stage.gateway.host, lines));
  });
});

describe('a trailer over HTTP/2', () => {
  const seen = [];
  let server, gateway;
  before(async () => {
    server = http2.createServer().on('stream', (stream) => {
      stream.on('trailers', (trailers) => seen.push(Object.fromEntries(Object.entries(trailers)))).resume();
      stream.on('end', () => (stream.respond({ ':status': 200 }), stream.end()));
    });
    const port = await listen(server);
    const envoy = (bootstrap) => {
      const cluster = bootstrap.static_resources.clusters.find(({ name }) => name === 'application');
      cluster.typed_extension_protocol_options = {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http2_protocol_options: {} },
        },
      };
    };
    gateway = await startGateway({ application: { port }, envoy, plugin: removing });
  });
  after(async () => {
    await gateway?.stop();
    server?.close();
    if (gateway) assertNoPanic(gateway);
  });

  /** Sends a request for a public page with these trailers, and resolves with those that arrived. */
  async function arriving(trailers) {
    seen.length = 0;
    const session = http2.connect(gateway.origin);
    const stream = session.request({ ':method': 'GET', ':path': '/chat' }, { waitForTrailers: true, endStream: false });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers)).on('error', () => {});
    stream.end('body');
    const answered = await Promise.race([once(stream, 'response'), once(stream, 'close')]);
    session.destroy();
    return { status: answered[0]?.[':status'], trailers: seen[0] };
  }

  it('arrives if it describes the message', async () => {
    assert.deepEqual(await arriving({ 'x-checksum': 'abc', 'content-digest': 'sha-256=:x:' }), {
      status: 200,
      trailers: { 'x-checksum': 'abc', 'content-digest': 'sha-256=:x:' },
    });
  });

  for (const name of [
    'host',
    'content-length',
    'content_length',
    'cookie',
    'authorization',
    'if-match',
    'x-forwarded-for',
    'x-forwarded-user',
    'remote-groups',
    'x_amzn_oidc_data',
    'proxy',
    'x-team-lead',
    'content-type',
  ]) {
    it(`does not arrive if it is ${name}`, async () => {
      const { status, trailers = {} } = await arriving({ 'x-checksum': 'abc', [name]: name === 'content-length' ? '4' : 'root' });
      assert.equal(Object.keys(trailers).includes(name), false, `${status} ${JSON.stringify(trailers)}`);
      if (status === 200) assert.deepEqual(trailers, { 'x-checksum': 'abc' });
    });
  }
});

describe('an answer that carries a renewed session', () => {
  const stage = onStage({ plugin: (configuration) => void ((configuration.session.idle = '4s'), (configuration.shared_cache = 'allowed')) });

  it('may not be stored by any cache, whatever the application says to caches of all vendors', async () => {
    const told = [
      'expires',
      'cdn-cache-control',
      'surrogate-control',
      'cloudflare-cdn-cache-control',
      'akamai-cache-control',
      'vercel-cdn-cache-control',
      'netlify-cdn-cache-control',
      'x-litespeed-cache-control',
      'x-accel-expires',
      'edge-control',
      'cf-edge-cache',
    ];
    const visitor = await stage.signedIn();
    stage.application.respond = (_, response) =>
      response.writeHead(200, { 'cache-control': 'public, max-age=600', etag: '"1"', ...Object.fromEntries(told.map((name) => [name, 'max-age=600'])) }).end();
    const before = await visitor.call('/analytics');
    assert.deepEqual(
      told.filter((name) => before.headers[name] === undefined),
      [],
      'nothing is renewed yet',
    );
    await sleep(1_100);
    const answer = await visitor.call('/analytics');
    assert.equal(sessionCookies(answer).length, 1);
    assert.deepEqual([answer.headers['cache-control'], answer.headers.etag], ['private, no-store', '"1"']);
    assert.deepEqual(
      told.filter((name) => answer.headers[name] !== undefined),
      [],
    );
  });

  it('does not stop the worker if the application answers with header names that are not text', async () => {
    const visitor = await stage.signedIn();
    await sleep(1_100);
    const answered = new Promise(
      (done) =>
        (stage.application.respond = (_, response) =>
          done(response.socket.end('HTTP/1.1 200 OK\r\nx-\xff\xfe: 1\r\n\xc3\x28: 2\r\ncontent-length: 0\r\n\r\n', 'latin1'))),
    );
    const [answer] = await Promise.all([visitor.call('/analytics'), answered]);
    assert.ok([200, 502, 503].includes(answer.status), String(answer.status));
    stage.application.respond = null;
    assert.equal((await visitor.call('/analytics')).status, 200);
  });
});

describe('the list of headers to remove', () => {
  for (const name of [
    'host',
    ':path',
    'Content_Length',
    'transfer-encoding',
    'cookie',
    'authorization',
    '*',
    'x*',
    'x-*',
    'x-forwarded-*',
    'co*',
    'a b',
    '',
    'x-forwarded-user',
    'x-team-**',
  ]) {
    it(`cannot have ${JSON.stringify(name)}`, () => {
      const configuration = { ...configurationOf(pluginOf(shipped().static_resources.listeners[0])), request_headers_to_remove: ['x-debug', name] };
      const [refusal] = refusalsOf([{ fields: configuration, environment: { OIDC_CLIENT_SECRET: newKey(), ACCREDIT_KEY: newKey() } }]);
      assert.match(refusal ?? 'it was accepted', /^request_headers_to_remove\[1\]: (expected a header that is for applications alone|expected a value)/);
    });
  }
});
