// The turns of a soak: in each, something goes wrong, stays so for a while, and is mended. Each says which answers differ from those of visitors.mjs.
//
// `changing` has the outcomes that are right while it begins and while it is mended, beside the usual ones; `during` those that are right in between, instead of
// the usual ones. `begins` and `ends` make the changes; `prepare` is called before, while nobody sends anything.

import assert from 'node:assert/strict';
import { Visitor } from '../lib/client.mjs';
import { answer, makeKey, sign } from '../lib/misbehaving.mjs';
import { eventually, sleep } from '../lib/process.mjs';
import { SHORT, somebody } from './stage.mjs';
import { bearer } from './visitors.mjs';

/** Seconds ahead or behind: less than the 60 by which the times of tokens may differ, so that nothing may change for anybody. */
const STEP = 45;
const REDIS_AWAY = { 'refreshed at both': [] };
const LIES = ['id_token_nonce', 'id_token_issuer', 'id_token_signature'];
/** A wrong signature makes an Envoy look for newer keys. While it cannot, it does not say that the token is wrong. */
const NO_KEYS = ['401 token_invalid', '503 keys_unavailable'];
const WITHOUT_REFRESH = { refreshed: ['503 refresh_unavailable'], 'refreshed at both': ['503 refresh_unavailable'] };

/** A provider in front of which something answers in its place, so that it spends no refresh token whose successor nobody gets. */
const inFrontOfIt = (provider, respond) => {
  for (const endpoint of ['discovery', 'keys', 'token', 'userinfo']) provider.intercept[endpoint] = respond;
};

export function turnsOf(stage) {
  const { provider, redis, gateways, clock } = stage;
  let rotations = 0;
  let shares = 0;
  const everywhere = (act) => Promise.all(gateways.map((one) => act(one.gateway, one)));
  const shareAgain = { prepare: () => stage.share((shares += 1)) };

  const changed = (change) => everywhere((gateway) => gateway.reload(change));
  const withNewPage = (configuration) => configuration.rules.unshift({ match: { path: '/new' }, require: 'public' });
  /** Sets the first Envoy's clock, and waits until it dates its own answers by it. */
  async function setClock(seconds) {
    clock.set(seconds);
    const [{ gateway }] = gateways;
    const ahead = async () => (Date.parse((await new Visitor(gateway).call('/members?probe')).headers.date) - Date.now()) / 1_000;
    await eventually(`the clock is ${seconds} s ahead`, async () => Math.abs((await ahead()) - seconds) < 3);
  }

  const newPage = (status) =>
    everywhere((gateway) => eventually('the page has changed', async () => (await new Visitor(gateway).call('/new?probe')).status === status));

  /** Publishes a new key and signs with it; then withdraws the former one, which Envoys notice by a token whose key they do not know. */
  async function rotate() {
    const [former, fresh] = [stage.key, await makeKey('RS256', `key-${(rotations += 1)}`)];
    await stage.issue('fresh key', fresh);
    provider.keys = [provider.standardKey, former, fresh];
    provider.signingKey = fresh;
    stage.tokens['newest key'] = stage.tokens['fresh key'];
    stage.key = fresh;
    await sleep(2_000);
    provider.keys = [provider.standardKey, fresh];
    // Forged tokens make Envoys look for newer keys as well, and they do that at most once in ten seconds for such tokens.
    const refused = (gateway, name) => new Visitor(gateway).call('/members?probe', bearer(stage.one(name))).then(({ status }) => status === 401);
    const isGone = async (gateway) => (await refused(gateway, 'unknown key')) && (await refused(gateway, 'former key'));
    await everywhere((gateway) => eventually('the former key is gone', () => isGone(gateway), { within: 30_000, every: 500 }));
  }

  /** Lies about everybody who signs in, and about the victims when their tokens are refreshed: then they are said to be Alice. */
  function lie() {
    const isSignIn = ({ nonce }) => nonce !== undefined;
    provider.lies.claims = (claims) => {
      if (!isSignIn(claims)) return claims.sub.startsWith('victim-') ? { ...claims, ...stage.alice.person } : claims;
      const lies = [
        { ...claims, nonce: 'wrong' },
        { ...claims, iss: 'https://other.example' },
        { ...claims, unsigned: true },
      ];
      return lies[Math.floor(Math.random() * lies.length)];
    };
    provider.lies.idToken = (claims, header, key) => sign(claims, header, claims.unsigned ? stage.unpublished : key);
  }

  return [
    { name: 'quiet', ...shareAgain },
    {
      name: 'the provider is killed',
      changing: { ...WITHOUT_REFRESH, 'forged token': NO_KEYS, 'newcomer, back': ['502 token_endpoint_unreachable'] },
      during: { ...WITHOUT_REFRESH, 'forged token': NO_KEYS },
      async begins() {
        // It ends after the answers that it has begun.
        inFrontOfIt(provider, (request) => request.socket.destroy());
        await sleep(200);
        await provider.refuse();
      },
      async ends() {
        provider.intercept = {};
        await provider.accept();
      },
      settles: 13_000,
    },
    {
      name: 'the provider is slow',
      changing: { ...WITHOUT_REFRESH, 'forged token': NO_KEYS, 'newcomer, back': ['504 token_endpoint_timeout', '502 token_endpoint_unreachable'] },
      during: { ...WITHOUT_REFRESH, 'forged token': NO_KEYS, 'newcomer, back': ['504 token_endpoint_timeout'] },
      begins: () => inFrontOfIt(provider, (_, response) => sleep(3_000).then(() => answer(response, 504, ''))),
      ends: () => void (provider.intercept = {}),
      settles: 13_000,
    },
    {
      name: 'keys are rotated',
      prepare: () => void (stage.tokens['former key'] = stage.tokens['newest key']),
      changing: { 'former key': ['200', '401 token_invalid'] },
      during: { 'former key': ['401 token_invalid'] },
      begins: rotate,
      settles: 3_000,
    },
    {
      name: 'the provider lies',
      prepare: async () => {
        for (const one of gateways) stage.victims[one.name] = await stage.signedIn(one, somebody(`victim-${one.name}-${Date.now()}`));
      },
      changing: { 'newcomer, back': LIES.map((reason) => `502 ${reason}`), victim: ['200', '401 session_expired', '401 session_missing'] },
      during: { 'newcomer, back': LIES.map((reason) => `502 ${reason}`), victim: ['401 session_expired', '401 session_missing'] },
      begins: lie,
      ends: () => void (provider.lies = {}),
      settles: SHORT * 1_000 + 2_000,
    },
    {
      name: 'the listeners are reloaded',
      changing: { 'nobody, at the new page': ['401 session_missing', '200'] },
      during: { 'nobody, at the new page': ['200'] },
      begins: () => changed(withNewPage).then(() => newPage(200)),
      ends: () => changed((configuration) => configuration.rules.shift()).then(() => newPage(401)),
    },
    {
      name: 'a virtual machine is killed',
      // A provider that takes each refresh token once ends a session whose new one was lost with a machine. So none is on its way.
      async begins() {
        provider.lifetime = 60;
        await sleep(SHORT * 1_000 + 1_000);
        await everywhere(async (gateway, one) => {
          const killer = await new Visitor(gateway).call('/', { headers: { 'x-accredit-die': 'yes' } });
          assert.ok(killer.status >= 500, `${one.name}: ${killer.status}`);
        });
      },
      ends: () => void (provider.lifetime = SHORT),
      broken: true,
    },
    {
      name: 'Redis is killed, and begins again empty',
      changing: REDIS_AWAY,
      during: REDIS_AWAY,
      async begins() {
        stage.redisGoes();
        await redis.kill();
      },
      async ends() {
        await redis.begin();
        stage.redisIsBack();
      },
    },
    {
      name: 'Redis does not answer',
      changing: REDIS_AWAY,
      during: REDIS_AWAY,
      begins() {
        stage.redisGoes();
        redis.pause();
      },
      ends() {
        redis.resume();
        stage.redisIsBack();
      },
    },
    { name: `the first Envoy's clock is set ${STEP} s forward, and back`, ...shareAgain, begins: () => setClock(STEP), ends: () => setClock(0) },
    { name: `the first Envoy's clock is set ${STEP} s back, and forward`, ...shareAgain, begins: () => setClock(-STEP), ends: () => setClock(0) },
  ];
}
