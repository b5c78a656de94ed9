// Debian's nginx between Envoy and the application: deploy/nginx/application.conf as shipped. Only ports are changed.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { Visitor } from './lib/client.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { manyGroups } from './lib/nginx-front.mjs';
import { Nginx } from './lib/nginx.mjs';
import { freePort } from './lib/process.mjs';
import { keepingParts } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const { keep, stopAll } = keepingParts();

describe('nginx between Envoy and the application', () => {
  let provider, api, pages, gateway, port;
  before(async () => {
    provider = keep(await Provider.start());
    [api, pages] = [keep(await Application.start()), keep(await Application.start())];
    port = await freePort();
    const plugin = ({ rules }) => {
      for (const prefix of ['/files', '/api/files', '/by-envoy'])
        rules.unshift({ match: { path_separated_prefix: prefix }, require: 'public', allow_in_path: ['%2F'] });
    };
    const envoy = (bootstrap) => {
      const manager = managerOf(bootstrap.static_resources.listeners[0]);
      // As behind a proxy that ends TLS.
      manager.xff_num_trusted_hops = 1;
      manager.path_with_escaped_slashes_action = 'KEEP_UNCHANGED';
      manager.route_config.virtual_hosts[0].routes.unshift({ match: { prefix: '/by-envoy/' }, route: { cluster: 'application', prefix_rewrite: '/' } });
    };
    gateway = keep(await startGateway({ provider, application: { port }, plugin, envoy, withUnderscoresRefused: true }));
    keep(
      await Nginx.start('application.conf', port, [
        ['127.0.0.1:9080', `127.0.0.1:${port}`],
        ['127.0.0.1:9100', `127.0.0.1:${api.port}`],
        ['127.0.0.1:9101', `127.0.0.1:${pages.port}`],
      ]),
    );
  });
  beforeEach(() => {
    provider.behave();
    for (const one of [api, pages]) one.forget();
  });
  after(stopAll);

  const IDENTITY = ['x-forwarded-user', 'x-forwarded-email', 'x-forwarded-preferred-username', 'x-forwarded-groups'];
  const identityOf = (received) => IDENTITY.map((name) => headerValues(received, name));

  it('hands the identity on, from Accredit and from nobody else, and takes /api/ away', async () => {
    const visitor = new Visitor(gateway);
    assert.equal((await visitor.signIn('/analytics?x=1')).status, 200);
    const expected = [['user-1'], ['user@example.com'], ['user'], ['oracle-ai-users,staff']];
    assert.deepEqual(identityOf(await pages.only('/analytics')), expected);
    const forged = { 'x-forwarded-user': 'root', 'x-forwarded-groups': 'admins', 'X.Forwarded.User': 'root' };
    assert.equal((await visitor.call('/api/chat?x=1', { headers: forged })).status, 200);
    const arrived = await api.only('/chat');
    assert.deepEqual([arrived.url, arrived.headers.host, identityOf(arrived)], ['/chat?x=1', gateway.host, expected]);
    assert.equal((await new Visitor(gateway).open('/', { headers: forged })).status, 200);
    assert.deepEqual(identityOf(await pages.only('/')), [[], [], [], []]);
  });

  it('hands on that the browser uses https, although Envoy calls nginx by http', async () => {
    for (const scheme of ['https', 'http']) {
      pages.forget();
      await new Visitor(gateway).open('/', { headers: { 'x-forwarded-proto': scheme } });
      assert.deepEqual(headerValues(await pages.only('/'), 'x-forwarded-proto'), [scheme]);
    }
  });

  it('adds /api/ to the paths that the service behind it redirects to', async () => {
    const visitor = new Visitor(gateway);
    await visitor.signIn();
    api.respond = (_, response) => response.writeHead(303, { location: '/chat/7' }).end();
    assert.equal((await visitor.call('/api/chat')).headers.location, '/api/chat/7');
    pages.respond = (_, response) => response.writeHead(303, { location: '/analytics/7' }).end();
    assert.equal((await visitor.call('/analytics')).headers.location, '/analytics/7');
  });

  it('sends nothing to a service for a path that another service names', async () => {
    const visitor = new Visitor(gateway);
    await visitor.signIn();
    pages.forget();
    api.respond = (_, response) => response.writeHead(200, { 'x-accel-redirect': '/analytics' }).end('its own');
    assert.equal((await visitor.call('/api/chat')).body, 'its own');
    assert.deepEqual(pages.requests, []);
  });

  it('lets 19 KB of groups through, and a WebSocket', async () => {
    provider.user.groups = ['oracle-ai-users', ...manyGroups()];
    const visitor = new Visitor(gateway);
    assert.equal((await visitor.signIn()).status, 200);
    assert.ok((await pages.only('/analytics')).headers['x-forwarded-groups'].length > 19_000);
    const headers = { host: gateway.host, origin: gateway.origin, cookie: visitor.jar.header('localhost', '/') };
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/api/echo`, { headers });
    const echoed = new Promise((done, failed) => socket.on('message', (data) => done(String(data))).on('error', failed));
    socket.on('open', () => socket.send('hällo'));
    assert.equal(await echoed, 'hällo');
    assert.equal((await api.only('/echo')).headers['x-forwarded-user'], 'user-1');
    socket.terminate();
  });

  it('decodes %2F, where a rule allows it, only if nginx takes the prefix away: Envoy does it without', async () => {
    for (const [path, service, expected] of [
      ['/files/a%2Fb', pages, '/files/a%2Fb'],
      ['/api/files/a%2Fb', api, '/files/a/b'],
      ['/by-envoy/files/a%2Fb', pages, '/files/a%2Fb'],
    ]) {
      for (const one of [api, pages]) one.forget();
      assert.equal((await new Visitor(gateway).call(path)).status, 200, path);
      assert.deepEqual(
        service.requests.map(({ url }) => url),
        [expected],
        path,
      );
    }
  });
});
