// One session, several Envoys that share a Redis, and a certified provider that rotates refresh tokens and detects their reuse: however many of them find the
// session's tokens ended, the provider is asked once, and nobody is signed out.
//
// Redis has TLS, and the user that docs/deployment.md shows, who may do nothing else. The first access token is valid for three seconds, which must pass; later
// ones are valid for long.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Balancer } from './lib/balancer.mjs';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { Fleet, REDIS_NAME, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { newKey } from './lib/gateway.mjs';
import { sleep } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { assertProblem, sessionCookies } from './lib/stage.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { headerValues } from './lib/upstream.mjs';

const SHORT = 3;
const LONG = 3600;
/** The default of `session.idle`, in milliseconds. */
const IDLE = 30 * 60_000;
const LOGIN = { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } };
const forwarding = (configuration) => void (configuration.forward = { access_token: true });

/** How refreshes ended at the provider. */
const outcomes = [];
let life = SHORT;
/** All access tokens that the application got. */
const everSeen = new Set();

async function startProvider(origin) {
  const ttl = { AccessToken: () => life, AuthorizationCode: 60, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 86400 };
  const started = await startDemoProvider(origin, { configuration: { rotateRefreshToken: true, ttl } });
  for (const event of ['grant.success', 'grant.error']) {
    started.provider.on(event, (context) => context.oidc.params.grant_type === 'refresh_token' && outcomes.push(event));
  }
  return started;
}

describe('Envoys that share a Redis, and a provider that takes each refresh token once', () => {
  let fleet, redis, cluster, one, other, balancer, everywhere;

  const join = (options) => fleet.join({ cluster, redis: LOGIN, plugin: forwarding, ...options });
  const cookieOf = (visitor) => visitor.jar.header('localhost', '/');
  const ask = (gateway, cookie) => new Visitor(gateway).call('/analytics', { headers: { cookie } });
  const counted = async (name, ...gateways) => (await Promise.all(gateways.map((gateway) => gateway.counter(name)))).reduce((sum, number) => sum + number, 0);
  const tokens = () => {
    const came = new Set(fleet.application.requests.flatMap((request) => headerValues(request, 'x-forwarded-access-token')));
    for (const token of came) everSeen.add(token);
    return [...came];
  };
  const statuses = (answers) => [...new Set(answers.map(({ status, reason }) => [status, reason].join(' ').trim()))];
  const leftInRedis = () => redis.command('KEYS', 'accredit:refresh:*');

  /** A person whose first access token has ended; the next one is valid for long. */
  async function withEndedTokens() {
    life = SHORT;
    const visitor = await signInAs(everywhere, 'alice');
    assert.equal(visitor.landing.status, 200);
    life = LONG;
    await sleep(SHORT * 1000 + 100);
    for (const name of await leftInRedis()) await redis.command('DEL', name);
    fleet.application.forget();
    outcomes.length = 0;
    return visitor;
  }

  before(async () => {
    fleet = await Fleet.start(startProvider);
    const authority = makeAuthority();
    redis = fleet.keep(await Redis.start({ authority, name: REDIS_NAME, password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    cluster = documentedCluster(redis.port, authority);
    [one, other] = [await join(), await join({ concurrency: 2 })];
    balancer = fleet.keep(await Balancer.start(one.port, other.port));
    everywhere = { origin: fleet.origin, ports: { [fleet.host]: balancer.port } };
  });
  beforeEach(() => fleet.application.forget());
  after(() => fleet.stop());

  it('behind a balancer, the requests of two tabs are all answered, with the same new tokens and the new cookie, after one refresh', async () => {
    const old = cookieOf(await withEndedTokens());
    const before = await counted('accredit_refresh_elsewhere', one, other);
    const answers = await Promise.all(Array.from({ length: 24 }, () => ask(everywhere, old)));
    assert.deepEqual(statuses(answers), ['200']);
    assert.deepEqual(outcomes, ['grant.success']);
    assert.equal(tokens().length, 1);
    assert.equal((await counted('accredit_refresh_elsewhere', one, other)) - before, 1);
    for (const answer of answers) assert.equal(sessionCookies(answer).length, 1);
    const [{ name, value }] = sessionCookies(answers[7]);
    for (const gateway of [one, other]) await fleet.assertGoesOn(gateway, `${name}=${value}`);
    // A tab that comes a second later with the old cookie, at any of them.
    await sleep(1000);
    assert.deepEqual(statuses([await ask(one, old), await ask(other, old)]), ['200']);
    assert.deepEqual([outcomes, tokens().length], [['grant.success'], 1]);
  });

  it('a tab at each Envoy: over several rounds, each refresh is made once, by whoever comes first', async () => {
    let cookies = Array(2).fill(cookieOf(await withEndedTokens()));
    for (const round of [1, 2, 3]) {
      life = round < 3 ? SHORT : LONG;
      const answers = await Promise.all([one, other].map((gateway, tab) => ask(gateway, cookies[tab])));
      assert.deepEqual(statuses(answers), ['200'], `round ${round}`);
      cookies = answers.map((answer) => sessionCookies(answer).map(({ name, value }) => `${name}=${value}`)[0]);
      if (round < 3) await sleep(SHORT * 1000 + 100);
    }
    assert.deepEqual(outcomes, ['grant.success', 'grant.success', 'grant.success']);
  });

  it('an Envoy that starts afterwards gets the new tokens from Redis, where they stand sealed until the old cookie would be idle', async () => {
    const old = cookieOf(await withEndedTokens());
    assert.equal((await ask(one, old)).status, 200);
    const [name, ...others] = await leftInRedis();
    assert.deepEqual(others, []);
    const left = await redis.command('PTTL', name);
    assert.ok(left > IDLE - 60_000 && left <= IDLE, `${left}`);
    const readable = name + (await redis.command('GET', name));
    for (const secret of [...tokens(), 'alice']) assert.ok(!readable.includes(secret));
    const late = await join();
    assert.equal((await ask(late, old)).status, 200);
    assert.deepEqual([outcomes, tokens().length], [['grant.success'], 1]);
  });

  it('an old cookie that comes to an Envoy that knows nothing of the refresh, after Redis has lost it, is a reuse: the provider ends the session, and it has ended everywhere', async () => {
    const visitor = await withEndedTokens();
    const old = cookieOf(visitor);
    assert.equal((await visitor.call('/analytics')).status, 200);
    const [holder] = (await one.counter('accredit_refresh_ok')) > 0 ? [one] : [other];
    for (const name of await leftInRedis()) await redis.command('DEL', name);
    const stranger = await join();
    await fleet.assertGoesOn(stranger, cookieOf(visitor));
    assertProblem(await ask(stranger, old), 401, 'session_expired');
    assert.deepEqual(outcomes, ['grant.success', 'grant.error']);
    for (const gateway of [holder, stranger]) await fleet.untilRefused(gateway, cookieOf(visitor));
  });

  it('while Redis answers nothing, or is away, a refresh waits for it a second at most, and succeeds', async () => {
    const [during, without] = [await withEndedTokens(), await withEndedTokens()];
    redis.pause();
    try {
      assert.deepEqual(statuses([await ask(one, cookieOf(during))]), ['200']);
    } finally {
      redis.resume();
    }
    await redis.kill();
    assert.deepEqual(statuses([await ask(one, cookieOf(without))]), ['200']);
    assert.deepEqual(outcomes, ['grant.success', 'grant.success']);
  });

  it('no log tells a token', () => {
    assert.ok(everSeen.size >= 2);
    for (const gateway of [one, other]) assert.ok([...everSeen].every((token) => !gateway.log().includes(token)));
  });
});
