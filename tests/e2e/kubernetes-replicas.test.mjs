// Several pods of deploy/kubernetes behind a load balancer that forwards connections. Only the shared keys coordinate them: what was begun at one pod continues
// at another, and keys change in two steps while people use the gateway.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Balancer } from './lib/balancer.mjs';
import { Visitor } from './lib/client.mjs';
import { signInAs, startTlsProvider } from './lib/demo.mjs';
import { newKey } from './lib/gateway.mjs';
import { MountedCertificate, newSecrets, startPod, visitedAt } from './lib/ingress.mjs';
import { build, objectOf } from './lib/kubernetes.mjs';
import { eventually, sleep } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { Application } from './lib/upstream.mjs';

const objects = build('production');
const { ACCREDIT_ORIGIN: origin, OIDC_CLIENT_ID: clientId } = objectOf(objects, 'ConfigMap/environment').data;
const stage = {};

before(async () => {
  stage.authority = makeAuthority();
  stage.certificate = new MountedCertificate(stage.authority.issue(new URL(origin).host));
  stage.provider = await startTlsProvider(origin, { clientId, ...stage.authority.issue('localhost') });
  stage.application = await Application.start();
});
after(async () => {
  await stage.provider?.stop();
  await stage.application?.stop();
});

/** A Deployment of two pods and its Service. It is stopped after the test, or with the other members of `running`. */
class Deployment {
  pods = [];

  static async start(secrets, running = ofThisTest) {
    const deployment = new Deployment();
    running.push(deployment);
    deployment.balancer = await Balancer.start();
    deployment.gateway = visitedAt(objects, stage.authority, deployment.balancer.port);
    for (let i = 0; i < 2; i += 1) await deployment.#addPod(secrets);
    return deployment;
  }

  async #addPod(secrets) {
    const pod = await startPod(objects, { ...stage, secrets });
    this.pods.push(pod);
    this.balancer.join(pod.pod.gateway);
    return pod;
  }

  /** One step of a rolling update with maxUnavailable 0: starts a new pod, then drains and stops an old one. */
  async #replaceOldest(secrets) {
    await this.#addPod(secrets);
    const old = this.pods.shift();
    this.balancer.leave(old.pod.gateway);
    await old.admin('/healthcheck/fail', 'POST');
    await eventually('nobody is left at the old pod', () => this.balancer.open.get(old.pod.gateway) === 0);
    await this.#end(old);
  }

  /** `kubectl rollout restart` with other Secrets: replaces both pods, one after the other. `between` is called while they differ. */
  async roll(secrets, between = async () => {}) {
    await this.#replaceOldest(secrets);
    await between();
    await this.#replaceOldest(secrets);
  }

  async #end(pod) {
    await pod.stop();
    assertNoPanic(pod);
  }

  async stop() {
    await this.balancer?.stop();
    for (const pod of this.pods.splice(0)) await this.#end(pod);
  }
}

const ofThisTest = [];
const end = async (running) => {
  for (const thing of running.splice(0)) await thing.stop();
};
afterEach(() => end(ofThisTest));

const PAGE = '/analytics';
const isSignedIn = async (visitor, gateway) => {
  visitor.ports = gateway.ports;
  return (await visitor.open(PAGE)).status === 200;
};

/** Begins a sign-in, and resolves with a function that completes it at a given gateway. */
async function beginSignIn(gateway, login = 'alice') {
  const visitor = new Visitor(gateway);
  const form = await visitor.follow(await visitor.open(PAGE));
  const callback = (
    await visitor.follow(await visitor.submit(form, { login, password: `${login}-password`, action: 'login' }), { until: (next) => next.origin === origin })
  ).location;
  return async (other) => {
    visitor.ports = other.ports;
    const landing = await visitor.follow(await visitor.open(callback.href, { headers: { 'sec-fetch-site': 'cross-site' } }));
    assert.deepEqual([landing.status, landing.url.pathname], [200, PAGE], landing.reason);
    return visitor;
  };
}

describe('two pods behind one load balancer', () => {
  const running = [];
  let deployment;
  before(async () => (deployment = await Deployment.start(newSecrets(stage.provider.clientSecret), running)));
  after(() => end(running));

  it('a session of one is accepted at the other, both ways', async () => {
    const {
      pods: [one, other],
    } = deployment;
    const [alice, bob] = [await signInAs(one, 'alice'), await signInAs(other, 'bob')];
    assert.deepEqual([await isSignedIn(alice, other), await isSignedIn(bob, one)], [true, true]);
  });

  it('a sign-in that was begun at one can be completed at the other, both ways', async () => {
    const {
      pods: [one, other],
    } = deployment;
    const [alice, bob] = [await (await beginSignIn(one))(other), await (await beginSignIn(other, 'bob'))(one)];
    assert.deepEqual([await isSignedIn(alice, one), await isSignedIn(bob, other)], [true, true]);
  });

  it('people who are sent to either, connection by connection, notice nothing', async () => {
    const { gateway, balancer, pods } = deployment;
    const alice = await signInAs(gateway, 'alice');
    for (let i = 0; i < 6; i += 1) assert.equal((await alice.open(PAGE)).status, 200);
    const given = pods.map(({ pod }) => balancer.given.get(pod.gateway));
    assert.ok(
      given.every((count) => count >= 4),
      `each had its part: ${given}`,
    );
  });

  it('after sign-out at one, the remaining cookies are not accepted at the other', async () => {
    const {
      pods: [one, other],
    } = deployment;
    const alice = await signInAs(one, 'alice');
    assert.equal((await alice.call('/api/logout', { method: 'POST' })).status, 200);
    assert.equal(await isSignedIn(alice, other), false);
  });

  it('without a shared key, these tests would fail', async () => {
    const {
      pods: [one],
    } = deployment;
    const {
      pods: [stranger],
    } = await Deployment.start(newSecrets(stage.provider.clientSecret));
    assert.equal(await isSignedIn(await signInAs(one, 'alice'), stranger), false);
    await assert.rejects(async () => (await beginSignIn(one))(stranger));
  });
});

/** The pause between two visits, in milliseconds, so that the machine has time to start pods. */
const BREATH = 10;

/** Lets people visit a page and sign in all the time while something happens; resolves with all failures. */
async function whilePeopleCome(gateway, people, happens) {
  const failures = [];
  let ended = false;
  let visits = 0;
  const coming = people.map(async (visitor) => {
    visitor.ports = gateway.ports;
    while (!ended) {
      const answer = await visitor.open(PAGE).catch((error) => ({ status: error.message }));
      visits += 1;
      if (answer.status !== 200) failures.push(`${answer.status} ${answer.reason ?? ''}`);
      await sleep(BREATH);
    }
  });
  const arriving = (async () => {
    while (!ended) {
      await signInAs(gateway, 'bob').then(
        ({ landing }) => landing.status === 200 || failures.push(`sign-in: ${landing.status} ${landing.reason}`),
        (error) => failures.push(`sign-in: ${error.message}`),
      );
      await sleep(BREATH);
    }
  })();
  try {
    await happens();
  } finally {
    ended = true;
    await Promise.all([...coming, arriving]);
  }
  return { failures, visits };
}

describe('keys are changed', () => {
  it('in two steps: nobody is signed out, and no sign-in and no request fails', async () => {
    const first = newSecrets(stage.provider.clientSecret);
    const deployment = await Deployment.start(first);
    const { gateway } = deployment;
    const people = { before: await signInAs(gateway, 'alice') };
    const loyal = await Promise.all(deployment.pods.map((pod) => signInAs(pod, 'bob')));
    const all = () => Object.values(people);
    const everybodyEverywhere = async (when) => {
      for (const [name, visitor] of Object.entries(people))
        for (const pod of deployment.pods) assert.equal(await isSignedIn(visitor, pod), true, `${name}, ${when}`);
    };

    const { failures, visits } = await whilePeopleCome(gateway, loyal, async () => {
      // Step 1: a new second key, which only opens.
      const second = { ...first, 'other-session-key': newKey() };
      const begunBefore = await beginSignIn(gateway);
      let begunInFirst;
      await deployment.roll(second, async () => {
        const [old, fresh] = deployment.pods;
        Object.assign(people, { firstAtOld: await signInAs(old, 'alice'), firstAtFresh: await signInAs(fresh, 'alice') });
        begunInFirst = await beginSignIn(fresh);
        people.finishedInFirst = await begunBefore(fresh);
        await everybodyEverywhere('while the first step is on its way');
      });
      await everybodyEverywhere('after the first step');

      // Step 2: the two keys are exchanged.
      const third = { ...second, 'session-key': second['other-session-key'], 'other-session-key': second['session-key'] };
      await deployment.roll(third, async () => {
        const [old, fresh] = deployment.pods;
        people.finishedInSecond = await begunInFirst(fresh);
        const [toOld, toFresh] = [await beginSignIn(fresh), await beginSignIn(old)];
        Object.assign(people, { secondAtOld: await toOld(old), secondAtFresh: await toFresh(fresh) });
        await everybodyEverywhere('while the second step is on its way');
      });
      people.after = await signInAs(gateway, 'alice');
      await everybodyEverywhere('after the second step');
    });

    assert.deepEqual(failures, []);
    assert.ok(visits > 50, `only ${visits} visits`);
    assert.equal(all().length, 8);
  });

  it('in one step, a new key for the old one: those who were signed in are signed out', async () => {
    const first = newSecrets(stage.provider.clientSecret);
    const deployment = await Deployment.start(first);
    const alice = await signInAs(deployment.gateway, 'alice');
    await deployment.roll(newSecrets(stage.provider.clientSecret));
    assert.equal(await isSignedIn(alice, deployment.gateway), false);
  });

  it('in one step, with the new key first: meanwhile, old pods do not accept sessions of new pods', async () => {
    const first = newSecrets(stage.provider.clientSecret);
    const deployment = await Deployment.start(first);
    const hasty = { ...first, 'session-key': newKey(), 'other-session-key': first['session-key'] };
    let seen;
    await deployment.roll(hasty, async () => {
      const [old, fresh] = deployment.pods;
      seen = [await isSignedIn(await signInAs(fresh, 'alice'), old), await isSignedIn(await signInAs(old, 'alice'), fresh)];
    });
    assert.deepEqual(seen, [false, true]);
  });
});
