// Debian's nginx in front of Envoy with Accredit: the files of deploy/nginx as shipped. Only ports, the certificate and folders are changed. What a line of these
// files is for is shown by leaving it out.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { startSpaProvider } from './lib/demo.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { HOST, ORIGIN, behindNginx, connect, get, manyGroups, startFront, visitorAt } from './lib/nginx-front.mjs';
import { check } from './lib/nginx.mjs';
import { eventually, temporaryFolder } from './lib/process.mjs';
import { assertRefused, keepingParts, sessionCookies } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const { keep, stopAll } = keepingParts();

describe('nginx in front of Envoy, for sessions in cookies', () => {
  let provider, application, gateway, nginx;

  before(async () => {
    provider = keep(await Provider.start());
    application = keep(await Application.start());
    gateway = keep(
      await startGateway({
        provider,
        application,
        envoy: behindNginx,
        withUnderscoresRefused: true,
        plugin: (configuration) => void (configuration.origins = [ORIGIN, `${ORIGIN}:8443`]),
      }),
    );
    nginx = keep(await startFront('bff.conf', gateway));
  });
  const own = [];
  /** Another nginx, with these changes, until the end of the test. */
  const another = async (...changes) => {
    own.push(await startFront('bff.conf', gateway, changes));
    return own.at(-1);
  };
  beforeEach(() => {
    provider.behave();
    application.forget();
  });
  afterEach(async () => {
    for (const one of own.splice(0)) await one.stop();
  });
  after(stopAll);

  for (const http2 of [false, true]) {
    it(`signs a person in and out, with the browser's address at the provider and at the application (HTTP/${http2 ? 2 : 1.1})`, async () => {
      const visitor = visitorAt(nginx, { http2 });
      const landing = await visitor.signIn('/analytics?x=1');
      assert.deepEqual([landing.status, landing.url.href], [200, `${ORIGIN}/analytics?x=1`]);
      assert.equal(provider.received.authorize[0].query.get('redirect_uri'), `${ORIGIN}/api/callback`);
      assert.deepEqual(visitor.jar.rejected, []);
      const arrived = await application.only('/analytics');
      const { host, cookie } = arrived.headers;
      assert.deepEqual(
        [host, cookie, headerValues(arrived, 'x-forwarded-user'), headerValues(arrived, 'x-forwarded-proto')],
        [HOST, undefined, ['user-1'], ['https']],
      );

      const out = await visitor.follow(await visitor.open('/api/logout', { headers: { 'sec-fetch-site': 'same-origin' } }));
      assert.deepEqual([out.status, out.url.href], [200, `${ORIGIN}/`]);
      const { query } = provider.received.end_session[0];
      assert.deepEqual([query.get('post_logout_redirect_uri'), query.has('id_token_hint')], [`${ORIGIN}/`, true]);
      assert.equal((await visitor.open('/analytics')).status, 302);
      visitor.close();
    });
  }

  it('logs paths, and neither codes nor states', async () => {
    assert.equal((await visitorAt(nginx).signIn('/analytics?x=secret')).status, 200);
    const log = nginx.accessLog();
    assert.match(log, /"GET \/api\/callback HTTP/);
    assert.doesNotMatch(log, /code=|state=|secret/);
  });

  it('does not take a path from the application for the one that Accredit was asked for', async () => {
    application.respond = (_, response) => response.writeHead(200, { 'x-accel-redirect': '/analytics' }).end('its own');
    const answer = await visitorAt(nginx).open('/');
    assert.deepEqual([answer.status, answer.body, application.requests.map(({ url }) => url)], [200, 'its own', ['/']]);
  });

  it('sends http to https, with path and query', async () => {
    const visitor = new Visitor({ origin: `http://${HOST}`, ports: { [HOST]: nginx.httpPort } });
    const answer = await visitor.open('/analytics?x=%2F');
    assert.deepEqual([answer.status, answer.headers.location], [308, `${ORIGIN}/analytics?x=%2F`]);
  });

  for (const http2 of [false, true]) {
    it(`lets a session of eight cookies through, in both directions (HTTP/${http2 ? 2 : 1.1})`, async () => {
      provider.user.groups = manyGroups();
      const visitor = visitorAt(nginx, { http2 });
      const landing = await visitor.signIn('/analytics');
      assert.equal(landing.status, 200, landing.reason ?? landing.body);
      assert.equal(sessionCookies(landing.trail.at(-2)).length, 8);
      assert.equal((await application.only('/analytics')).headers['x-forwarded-user'], 'user-1');
      visitor.close();
    });
  }

  it('forwards WebSockets', async () => {
    const visitor = visitorAt(nginx);
    await visitor.signIn();
    assert.deepEqual(await connect(nginx, visitor, '/api/echo'), { status: 101, echo: 'hällo' });
    assert.deepEqual(await connect(nginx, visitorAt(nginx), '/api/echo'), { status: 401 });
  });

  it('tells Envoy the address of the client, whatever the client writes', async () => {
    for (const [index, forged] of [undefined, '203.0.113.7', '203.0.113.7, 10.0.0.1'].entries()) {
      const path = `/from-elsewhere/${index}`;
      await get(nginx, path, { localAddress: '127.0.0.2', headers: forged && { 'x-forwarded-for': forged } });
      const logged = () => gateway.accessLog().find((line) => line.path === path);
      assert.equal((await eventually('the request is logged', logged)).client, '127.0.0.2', forged);
    }
  });

  it('hands on nothing of what a client says about itself, or about the address', async () => {
    const headers = {
      'x-forwarded-user': 'root',
      'x-forwarded-groups': 'admins',
      'x-forwarded-proto': 'http',
      x_forwarded_user: 'root',
      'x-forwarded-host': 'evil.example',
    };
    const answer = await visitorAt(nginx).open('/', { headers });
    assert.equal(answer.status, 200);
    const arrived = await application.only('/');
    assert.deepEqual(
      ['x-forwarded-user', 'x-forwarded-groups', 'x-forwarded-proto'].map((name) => headerValues(arrived, name)),
      [[], [], ['https']],
    );
    assert.equal(arrived.headers.host, HOST);
    // nginx takes the name with underscores away; if it is told not to, Envoy refuses the request.
    const lax = await another(['client_max_body_size 16m;', 'client_max_body_size 16m; underscores_in_headers on;']);
    assert.equal((await visitorAt(lax).open('/', { headers: { x_forwarded_user: 'root' } })).status, 400);
    assert.equal((await application.only('/')).headers['x-forwarded-user'], undefined);
  });

  it('passes the path on as it came, so that Envoy and Accredit decide about it', async () => {
    for (const [path, status] of [
      ['/chat/..%2fanalytics', 400],
      ['/chat%2F', 400],
      ['/chat;x', 400],
      ['/analytics/../chat', 200],
      ['//chat', 200],
    ]) {
      assert.equal(await get(nginx, path), status, path);
    }
    assert.deepEqual(
      application.requests.map(({ url }) => url),
      ['/chat', '/chat'],
    );
  });

  describe('without one line', () => {
    /** A sign-in with a session of eight cookies: the last answer. */
    const largeSignIn = (one) => ((provider.user.groups = manyGroups()), visitorAt(one).signIn('/analytics'));

    it('proxy_buffer_size: a large session cannot be set, nginx answers 502, and says that the header is too big', async () => {
      const one = await another(['proxy_buffer_size       64k;', ''], ['proxy_buffers           8 16k;', ''], ['proxy_busy_buffers_size 64k;', '']);
      const last = await largeSignIn(one);
      assert.deepEqual([last.status, last.reason, last.url.pathname], [502, undefined, '/api/callback']);
      assert.match(one.log(), /upstream sent too big header while reading response header from upstream/);
      // A session of one cookie fits.
      provider.behave();
      assert.equal((await visitorAt(one).signIn()).status, 200);
    });

    it('large_client_header_buffers: a large session cannot be sent, and nginx answers 400 to everything', async () => {
      const one = await another(['large_client_header_buffers 4 64k;', '']);
      const last = await largeSignIn(one);
      assert.deepEqual([last.status, last.reason, last.url.pathname], [400, undefined, '/analytics']);
      assert.match(last.body, /Request Header Or Cookie Too Large/);
      assert.match(one.log(), /client sent too long header line/);
    });

    it('proxy_busy_buffers_size: nginx refuses its configuration, and says what it must be', () => {
      const { code, log } = check('application.conf', [['client_max_body_size 16m;', 'proxy_buffer_size 64k;']]);
      assert.equal(code, 1);
      assert.match(log, /"proxy_busy_buffers_size" must be less than the size of all "proxy_buffers" minus one buffer/);
    });

    it('Host: Accredit gets the name of the upstream, and answers 421; with $host the redirect URI loses its port', async () => {
      const none = await another(['proxy_set_header Host              $http_host;', '']);
      const mark = gateway.mark();
      assertRefused(await visitorAt(none).open('/'), 421, 'host_unknown');
      assert.match(gateway.auditLog(mark).find(({ reason }) => reason === 'host_unknown').detail, /envoy/);
      const atPort = { origin: `${ORIGIN}:8443` };
      assert.equal((await visitorAt(nginx, atPort).signIn()).status, 200);
      const withoutPort = await another(['$http_host;', '$host;']);
      const started = await visitorAt(withoutPort, atPort).open('/analytics');
      assert.equal(started.location.searchParams.get('redirect_uri'), `${ORIGIN}/api/callback`);
    });

    it('X-Forwarded-For or X-Forwarded-Proto: Envoy believes what the client writes there', async () => {
      const one = await another(['proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;', ''], ['proxy_set_header X-Forwarded-Proto $scheme;', '']);
      await get(one, '/chat', { headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http' } });
      const logged = () => gateway.accessLog().find(({ client }) => client === '203.0.113.7');
      assert.equal((await eventually('the forged address is logged', logged)).path, '/chat');
      assert.equal((await application.only('/chat')).headers['x-forwarded-proto'], 'http');
    });

    it('Upgrade, Connection or the version: no WebSocket', async () => {
      for (const line of [
        'proxy_set_header Upgrade           $http_upgrade;',
        'proxy_set_header Connection        $connection_upgrade;',
        'proxy_http_version 1.1;',
      ]) {
        const one = await another([line, '']);
        const visitor = visitorAt(one);
        await visitor.signIn();
        assert.notEqual((await connect(one, visitor, '/api/echo')).status, 101, line);
      }
    });
  });
});

describe('https that is lost between nginx and Envoy', () => {
  let provider, application, gateway, nginx;
  before(async () => {
    provider = keep(await Provider.start());
    application = keep(await Application.start());
    gateway = keep(await startGateway({ provider, application, plugin: (configuration) => void (configuration.origins = [ORIGIN]) }));
    nginx = keep(await startFront('bff.conf', gateway));
  });
  after(stopAll);

  it('does not stop a sign-in, but the application is told http, and all clients have the address of nginx', async () => {
    const landing = await visitorAt(nginx).signIn();
    assert.deepEqual([landing.status, landing.url.protocol], [200, 'https:']);
    assert.deepEqual(headerValues(await application.only('/analytics'), 'x-forwarded-proto'), ['http']);
    await get(nginx, '/from-elsewhere', { localAddress: '127.0.0.2' });
    const logged = () => gateway.accessLog().find(({ path }) => path === '/from-elsewhere');
    assert.equal((await eventually('the request is logged', logged)).client, '127.0.0.1');
  });

  it('is named, with what to set, by the line of a callback without its cookie', async () => {
    const callback = await visitorAt(nginx).untilCallback();
    const mark = gateway.mark();
    const lost = await visitorAt(nginx).open(callback.href, { headers: { 'sec-fetch-site': 'cross-site' } });
    assertRefused(lost, 400, 'attempt_missing');
    const [{ detail }] = gateway.auditLog(mark).filter(({ event }) => event === 'sign_in_failed');
    assert.match(detail, /x-forwarded-proto is http, but the origin is https: .*use_remote_address: true and xff_num_trusted_hops: 1/);
  });
});

describe('nginx that takes /api/ away in front of a gateway with sessions', () => {
  let provider, application, gateway, nginx;
  before(async () => {
    provider = keep(await Provider.start());
    application = keep(await Application.start());
    const plugin = (configuration) => {
      configuration.origins = [ORIGIN];
      configuration.endpoints = { login: '/login', callback: '/callback', logout: '/logout', session: '/session' };
    };
    gateway = keep(await startGateway({ provider, application, envoy: behindNginx, plugin }));
    nginx = keep(
      await startFront('bff.conf', gateway, [['location / {\n        proxy_pass http://envoy;', 'location /api/ {\n        proxy_pass http://envoy/;']]),
    );
  });
  after(stopAll);

  it('lets rules decide about other paths: the API of /api/chat, which needs a group, is open because the page /chat is public', async () => {
    assert.equal((await visitorAt(nginx).call('/api/chat')).status, 200);
    assert.equal((await application.only('/chat')).headers['x-forwarded-user'], undefined);
  });

  it('loses people: redirect URI and the way back have no /api/, and sign-out does not get its cookie', async () => {
    const visitor = visitorAt(nginx);
    const started = await visitor.open('/api/analytics');
    assert.equal(started.location.searchParams.get('redirect_uri'), `${ORIGIN}/callback`);
    const callback = await visitor.untilCallback('/api/analytics');
    assert.equal((await visitor.open(callback.href)).status, 404, 'nginx has nothing there');
    const landed = await visitor.open(`/api${callback.pathname}${callback.search}`);
    assert.deepEqual([landed.status, landed.headers.location], [303, '/analytics']);
    assert.equal(landed.cookies.find(({ name }) => name === '__Secure-accredit-hint').path, '/logout');
  });
});

describe('nginx in front of Envoy, for a front end that keeps its own token', () => {
  /** [what nginx does with the prefix, a change of its file, the prefix of Accredit's paths] */
  const VARIANTS = [
    ['keeps /api/', [], '/api'],
    ['takes /api/ away', [['proxy_pass http://envoy;', 'proxy_pass http://envoy/;']], ''],
  ];
  afterEach(stopAll);

  for (const [what, changes, prefix] of VARIANTS) {
    it(`that ${what}: one origin for page and API, from the sign-in to a refusal`, async () => {
      const provider = keep(await startSpaProvider(ORIGIN));
      const application = keep(await Application.start());
      const gateway = keep(
        await startGateway({
          scenario: 'spa-tokens',
          provider,
          application,
          plugin: (configuration) => {
            configuration.origins = [ORIGIN];
            delete configuration.trusted_origins;
            configuration.providers[0].redirect_uri = `${ORIGIN}/auth/callback`;
            configuration.endpoints = { authorize: `${prefix}/authorize`, token: `${prefix}/token` };
            configuration.rules[0].match.path_separated_prefix = `${prefix}/chat`;
          },
          envoy: (bootstrap) => {
            behindNginx(bootstrap);
            managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts[0].routes[0].match.path = `${prefix}/token`;
          },
        }),
      );
      const files = temporaryFolder();
      writeFileSync(join(files, 'index.html'), 'the front end');
      const nginx = keep(await startFront('spa-tokens.conf', gateway, [...changes, ['/srv/front-end', files]]));

      const visitor = visitorAt(nginx);
      assert.equal((await visitor.open('/some/page')).body, 'the front end');
      const { authorize_url: address } = (await visitor.call('/api/authorize')).json();
      const form = await visitor.follow(await visitor.open(address));
      const page = await visitor.follow(await visitor.submit(form, { login: 'alice', password: 'alice-password', action: 'login' }));
      assert.deepEqual([page.url.origin + page.url.pathname, page.body], [`${ORIGIN}/auth/callback`, 'the front end']);
      const json = { 'content-type': 'application/json' };
      const body = JSON.stringify({ code: page.url.searchParams.get('code') });
      const { access_token: token } = (await visitor.call('/api/token', { method: 'POST', headers: json, body })).json();

      const bearer = { authorization: `Bearer ${token}` };
      assert.equal((await visitor.call('/api/chat', { headers: bearer })).status, 200);
      const arrived = await application.only(`${prefix}/chat`);
      assert.deepEqual([arrived.headers.host, headerValues(arrived, 'x-forwarded-preferred-username')], [HOST, ['alice']]);
      assertRefused(await visitor.call('/api/chat'), 401, 'token_missing');
    });
  }
});
