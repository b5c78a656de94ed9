// What monitoring sees: the labels of Envoy's Prometheus page.
//
// Whether each event is counted at all is in operations.test.mjs.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { shipped } from './lib/gateway.mjs';
import { ROOT } from './lib/process.mjs';
import { onStage } from './lib/stage.mjs';

/** The samples of Envoy's Prometheus page whose names begin with `accredit_`: a number for each `name{label="value"}`. */
async function samples(gateway) {
  const page = await gateway.admin('/stats/prometheus');
  const lines = page.split('\n').filter((line) => line.startsWith('accredit_'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')).replace('{}', ''), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

describe("Envoy's Prometheus page", () => {
  const stage = onStage();

  it('has one counter of refusals, with the reason as its label, and so for sign-ins that failed', async () => {
    const visitor = stage.visitor();
    for (let i = 0; i < 2; i += 1) await visitor.call('/api/chat');
    await visitor.call('/', { headers: { host: 'other.example.com' } });
    stage.provider.lies.claims = (claims) => ({ ...claims, nonce: 'wrong' });
    await visitor.signIn('/analytics');
    const seen = await samples(stage.gateway);
    for (const [sample, count] of [
      ['accredit_denied{reason="session_missing"}', 2],
      ['accredit_denied{reason="host_unknown"}', 1],
      ['accredit_sign_in_failed{reason="id_token_nonce"}', 1],
      ['accredit_sign_in_begun', 1],
      ['accredit_fetch_keys_ok', 1],
    ])
      assert.equal(seen[sample], count, `${sample} in ${Object.keys(seen).join(', ')}`);
    // Names whose end is no reason are left alone.
    assert.ok(Object.keys(seen).every((sample) => sample.includes('{') || !/denied_|unanswered_|sign_in_failed_|refresh_failed_/.test(sample)));
  });

  it('keeps the long names in /stats, which other tools read', async () => {
    await stage.visitor().call('/api/chat');
    assert.ok((await stage.gateway.counter('accredit_denied_session_missing')) > 0);
  });
});

describe('every shipped file', () => {
  it('has the same tags', () => {
    const scenarios = readdirSync(join(ROOT, 'envoy')).map((name) => name.replace('.yaml', ''));
    assert.ok(scenarios.length >= 5);
    for (const scenario of scenarios) assert.deepEqual(shipped(scenario).stats_config, shipped('bff').stats_config, scenario);
  });
});
