// Redirects that Envoy follows itself, in a real Envoy: who is asking in the pass that follows.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { managerOf } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { customResponse, following, go, member, redirecting, sessionOf, switched, token } from './lib/redirects.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

/** What was kept with the stream of the last member's page, by the access log after this mark. */
async function keptFor({ gateway }, mark) {
  const line = () => gateway.accessLog(mark).find(({ path, status }) => path === '/members' && status === 200);
  await eventually('the access log is written', line);
  return line().kept;
}

describe('the pass after an internal redirect, with internal_redirects', () => {
  const stage = onStage({ plugin: switched(true), envoy: following });

  it('knows who was asking, and passes the identity on once', async () => {
    const visitor = await member(stage);
    const answer = await visitor.call(go('/members'), { headers: { 'x-forwarded-user': 'root', cookie: `theme=dark; ${sessionOf(visitor)}` } });
    assert.equal(answer.status, 200, answer.reason);
    for (const path of ['/go', '/members']) {
      const arrived = await stage.application.only(path);
      assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), ['user-1'], path);
      assert.deepEqual([headerValues(arrived, 'cookie'), headerValues(arrived, 'authorization')], [['theme=dark'], []], path);
    }
    assert.match(answer.headers['cache-control'] ?? 'private', /private/);
  });

  it('has all rules: a member gets no page of administrators by a public page', async () => {
    const visitor = await member(stage);
    assertProblem(await visitor.call(go('/admin')), 403, 'condition_failed');
    assert.deepEqual(stage.application.arrived('/admin'), []);
  });

  it('knows it again after several redirects', async () => {
    const visitor = await member(stage);
    const target = new URL(go('/members'), stage.gateway.origin).href;
    assert.equal((await visitor.call(go(target))).status, 200);
    assert.equal(stage.application.arrived('/go').length, 2);
    assert.equal(stage.application.arrived('/members').length, 1);
  });

  it('knows who was asking behind a proxy that ends TLS, where Envoy names the URL of the first pass with http', async () => {
    const visitor = await member(stage);
    const { host } = new URL(stage.gateway.origin);
    const headers = { 'x-forwarded-proto': 'https' };
    assert.equal((await visitor.call(go(`https://${host}/members`), { headers })).status, 200);
    const arrived = await stage.application.only('/members');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), ['user-1']);
    assert.deepEqual(headerValues(arrived, 'x-envoy-original-url'), [`http://${host}${(await stage.application.only('/go')).url}`]);
    // The other scheme is another origin.
    assertProblem(await visitor.call(go(`http://${host}/members`), { headers }), 401, 'session_missing');
  });

  it('is nobody if nobody was signed in, and shows no identity that the client made up', async () => {
    await member(stage);
    const forged = { 'x-forwarded-user': 'user-1', 'x-envoy-original-url': `${stage.gateway.origin}/go`, 'x-envoy-internal': 'true' };
    assertProblem(await stage.visitor().call(go('/members'), { headers: forged }), 401, 'session_missing');
    assert.equal((await stage.visitor().call(go('/open'), { headers: forged })).status, 200);
    for (const path of ['/go', '/open']) {
      for (const arrived of stage.application.arrived(path)) assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), [], path);
    }
  });

  it('is nobody at another origin of the same gateway, and by another scheme', async () => {
    const visitor = await member(stage);
    for (const target of [stage.gateway.origin.replace('localhost', '127.0.0.1'), stage.gateway.origin.replace('http:', 'https:')])
      assertProblem(await visitor.call(go(`${target}/members`)), 401, 'session_missing');
    assert.equal((await visitor.call(go(`${stage.gateway.origin}/members`))).status, 200);
  });

  it('is nobody if it comes back from another origin, which chose where to', async () => {
    const visitor = await member(stage);
    const { origin } = stage.gateway;
    const back = `${origin.replace('localhost', '127.0.0.1')}${go(`${origin}/members`)}`;
    assertProblem(await visitor.call(go(back)), 401, 'session_missing');
    assert.deepEqual([stage.application.arrived('/go').length, stage.application.arrived('/members').length], [2, 0]);
  });

  it('is nobody if the session was signed out meanwhile', async () => {
    const visitor = await member(stage);
    const signOut = async () => assert.equal((await visitor.call('/api/logout', { method: 'POST' })).status, 200);
    stage.application.respond = redirecting(stage, signOut);
    assertProblem(await visitor.call(go('/members')), 401, 'session_expired');
  });

  it('can sign out: the session has ended, and its cookie is deleted', async () => {
    const visitor = await member(stage);
    const before = sessionOf(visitor);
    const answer = await visitor.call(go('/api/logout', 307), { method: 'POST', body: '' });
    assert.equal(answer.status, 200, answer.reason);
    assert.equal(visitor.jar.get('localhost', '__Host-accredit'), undefined);
    assertProblem(await stage.visitor().call('/members', { headers: { cookie: before } }), 401, 'session_expired');
  });

  it('needs the same evidence for an unsafe method, whose body it keeps', async () => {
    const visitor = await member(stage);
    const answer = await visitor.call(go('/members', 307), { method: 'POST', body: 'a=1' });
    assert.equal(answer.status, 200, answer.reason);
    const arrived = await stage.application.only('/members');
    assert.deepEqual([arrived.method, arrived.body, headerValues(arrived, 'x-forwarded-user')], ['POST', 'a=1', ['user-1']]);
  });

  for (const status of [303, 307]) {
    it(`is nobody if another site caused a POST to a public page, which answers ${status}`, async () => {
      const visitor = await member(stage);
      const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      assertProblem(await visitor.call(go('/members', status), { method: 'POST', body: 'a=1', headers: foreign }), 401, 'session_missing');
    });
  }

  it("is a bearer's if a bearer token came: a rule for sessions refuses it", async () => {
    const visitor = await member(stage);
    const headers = { authorization: `Bearer ${await token(stage)}` };
    // The session that came beside the token is not taken instead.
    for (const who of [stage.visitor(), visitor]) {
      assert.equal((await who.call(go('/members'), { headers })).status, 200);
      assertProblem(await who.call(go('/sessions'), { headers }), 401, 'session_missing');
    }
    for (const arrived of stage.application.arrived('/members')) {
      assert.deepEqual([headerValues(arrived, 'x-forwarded-user'), headerValues(arrived, 'authorization')], [['robot'], []]);
    }
    assertProblem(await visitor.call(go('/admin'), { headers }), 403, 'condition_failed');
  });

  it('confuses no two people on one HTTP/2 connection, where each stream has its own name', async () => {
    const visitors = {};
    for (const sub of ['alice', 'bob']) {
      stage.provider.user = { sub, groups: ['staff'] };
      visitors[sub] = sessionOf(await stage.signedIn());
    }
    stage.application.respond = redirecting(stage);
    const shared = stage.visitor({ http2: true });
    const mark = stage.gateway.mark();
    const all = Array.from({ length: 90 }, (_, number) => ['alice', 'bob', undefined][number % 3]);
    const answers = await Promise.all(all.map((sub) => shared.call(go('/members'), { headers: { cookie: visitors[sub] } })));
    shared.close();
    assert.deepEqual(
      answers.map((answer) => (answer.status === 200 ? answer.json().headers['x-forwarded-user'] : answer.status)),
      all.map((sub) => sub ?? 401),
    );
    const lines = () => stage.gateway.accessLog(mark);
    const onConnection = () => lines().filter(({ connection }) => connection === lines().at(-1).connection);
    await eventually('both passes of all streams are in the access log', () => onConnection().length === 180);
    assert.equal(new Set(onConnection().map(({ began }) => began)).size, 90, 'two streams of the connection began at the same time');
  });

  it('keeps nothing that somebody could read', async () => {
    const visitor = await member(stage);
    const mark = stage.gateway.mark();
    await visitor.call(go('/members'));
    const kept = await keptFor(stage, mark);
    for (const secret of [sessionOf(visitor), sessionOf(visitor).split('=')[1], 'user-1'])
      for (const text of [kept, Buffer.from(kept, 'base64url').toString('latin1')]) assert.ok(!text.includes(secret), secret);
  });
});

describe('filter state that another filter has written', () => {
  const planting = (bootstrap) => {
    following(bootstrap);
    const format = { text_format_source: { inline_string: '%REQ(x-plant)%' }, omit_empty_values: true };
    const config = { on_request_headers: [{ object_key: 'envoy.string', format_string: format, skip_if_empty: true, shared_with_upstream: 'NONE' }] };
    const type = 'type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config';
    managerOf(bootstrap.static_resources.listeners[0]).http_filters.unshift({ name: 'plant', typed_config: { '@type': type, ...config } });
  };
  const stage = onStage({ plugin: switched(true), envoy: planting });

  it('makes nobody somebody: neither a plain text, nor a session, nor what was kept for another stream', async () => {
    const visitor = await member(stage);
    const mark = stage.gateway.mark();
    assert.equal((await visitor.call(go('/members'))).status, 200);
    const kept = await keptFor(stage, mark);
    const session = sessionOf(visitor);
    for (const planted of ['user-1', '{"sub":"user-1"}', session, session.split('=')[1], kept]) {
      for (const path of ['/members', go('/members')]) {
        assertProblem(await stage.visitor().call(path, { headers: { 'x-plant': planted } }), 401, 'session_missing');
      }
    }
  });

  it('changes nothing for a request with a session, whose next pass is nobody', async () => {
    const visitor = await member(stage);
    assert.equal((await visitor.call('/members', { headers: { 'x-plant': 'root' } })).status, 200);
    assertProblem(await visitor.call(go('/members'), { headers: { 'x-plant': 'root' } }), 401, 'session_missing');
  });
});

describe('the pass after a redirect of custom_response, with internal_redirects', () => {
  const teapot = (bootstrap) => {
    following(bootstrap);
    const [listener] = bootstrap.static_resources.listeners;
    managerOf(listener).http_filters.splice(-1, 0, customResponse('localhost', { 418: '/members', 419: '/admin' })(listener));
  };
  const stage = onStage({ plugin: switched(true), envoy: teapot });

  it('knows who was asking, and has all rules', async () => {
    const visitor = await member(stage);
    const answer = await visitor.call(go('/x', 418));
    // Envoy keeps the status of the first answer, unless the policy names another.
    assert.equal(answer.status, 418);
    assert.deepEqual(headerValues(await stage.application.only('/members'), 'x-forwarded-user'), ['user-1']);
    const answers = [await visitor.call(go('/x', 419)), await stage.visitor().call(go('/x', 418))];
    assert.deepEqual(
      answers.map(({ reason }) => reason),
      ['condition_failed', 'session_missing'],
    );
    assert.deepEqual([stage.application.arrived('/members').length, stage.application.arrived('/admin').length], [1, 0]);
  });
});

describe('a retry, when Accredit is a filter of the upstream cluster, with internal_redirects', () => {
  const upstream = (bootstrap) => {
    following(bootstrap);
    const manager = managerOf(bootstrap.static_resources.listeners[0]);
    const accredit = manager.http_filters.shift();
    const codec = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec' };
    const options = {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: {} },
      http_filters: [accredit, { name: 'codec', typed_config: codec }],
    };
    const cluster = bootstrap.static_resources.clusters.find(({ name }) => name === 'application');
    cluster.typed_extension_protocol_options = { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options };
    manager.route_config.virtual_hosts[0].routes.at(-1).route.retry_policy = { retry_on: '5xx', num_retries: 2 };
  };
  const stage = onStage({ plugin: switched(true), envoy: upstream });

  it('knows who was asking', async () => {
    const visitor = await member(stage);
    let attempts = 0;
    stage.application.respond = (_, response, received) => {
      attempts += 1;
      if (attempts < 3) response.writeHead(503).end();
      else stage.application.echo(response, received);
    };
    assert.equal((await visitor.call('/members')).status, 200);
    const users = stage.application.arrived('/members').map((received) => headerValues(received, 'x-forwarded-user'));
    assert.deepEqual(users, [['user-1'], ['user-1'], ['user-1']]);
  });
});

describe('the pass after an internal redirect, without internal_redirects', () => {
  const stage = onStage({ plugin: switched(false), envoy: following });

  it('is nobody, and nothing is kept', async () => {
    const visitor = await member(stage);
    const mark = stage.gateway.mark();
    assertProblem(await visitor.call(go('/members')), 401, 'session_missing');
    assert.equal((await visitor.call(go('/open'))).status, 200);
    assert.deepEqual(headerValues(await stage.application.only('/open'), 'x-forwarded-user'), []);
    await eventually('the access log is written', () => stage.gateway.accessLog(mark).some(({ path }) => path === '/open'));
    assert.deepEqual(new Set(stage.gateway.accessLog(mark).map(({ kept }) => kept)), new Set([null]));
  });
});
