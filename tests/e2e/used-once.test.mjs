// A sign-in is completed only once, even if many callbacks come at the same moment, to any workers.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onStage, sessionCookies } from './lib/stage.mjs';

const ROUNDS = 60;
const CALLBACKS = 24;

describe('with four workers', () => {
  const stage = onStage({
    concurrency: 4,
    envoy: (bootstrap) => void (bootstrap.static_resources.listeners[0].connection_balance_config = { exact_balance: {} }),
  });

  it(`of ${CALLBACKS} callbacks at the same moment, each on its own connection, only one sends the code and gets a session, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const visitor = stage.visitor();
      const callback = await visitor.untilCallback('/analytics');
      const cookie = visitor.jar.header('localhost', callback.pathname);
      stage.provider.forget();
      const navigation = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site', cookie };
      const answers = await Promise.all(Array.from({ length: CALLBACKS }, () => stage.visitor().send(callback.href, { headers: navigation })));
      assert.equal(stage.provider.count('token'), 1, `round ${round}: the code was sent more than once`);
      const signedIn = answers.filter((answer) => sessionCookies(answer).length > 0);
      assert.deepEqual(
        signedIn.map(({ status }) => status),
        [303],
        `round ${round}`,
      );
      const others = answers.filter((answer) => !signedIn.includes(answer));
      // Two may wait for the end of the first one; whoever does not is sent to begin again. None of them gets a cookie.
      const ends = others.map(({ status, location, cookies }) => `${status} ${location.pathname} ${cookies.length}`);
      const known = ['303 /analytics 0', '303 /api/login 0'];
      assert.deepEqual(
        ends.filter((end) => !known.includes(end)),
        [],
        `round ${round}`,
      );
    }
  });
});
