// What monitoring sees: labels, histograms and times on Envoy's Prometheus page, traces, and audit lines as JSON alone.
//
// Whether each event is counted at all is in operations.test.mjs.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { Visitor } from './lib/client.mjs';
import { managerOf, shipped, startGateway } from './lib/gateway.mjs';
import { ROOT, eventually, temporaryFolder } from './lib/process.mjs';
import { onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

/** The samples of Envoy's Prometheus page whose names begin with `accredit_`: a number for each `name{label="value"}`. */
async function samples(gateway) {
  const page = await gateway.admin('/stats/prometheus');
  const lines = page.split('\n').filter((line) => line.startsWith('accredit_'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')).replace('{}', ''), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** Several workers, and histograms that are on the page soon. */
const watched = { concurrency: 2, envoy: (bootstrap) => void (bootstrap.stats_flush_interval = '0.1s') };

describe("Envoy's Prometheus page", () => {
  const stage = onStage(watched);

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

  it('has histograms of calls by what they are for, and of sign-ins, which a request of somebody who is signed in does not change', async () => {
    stage.provider.delay.token = 300;
    const alice = await stage.signedIn();
    const seen = await eventually('the histograms are on the page', async () => {
      const all = await samples(stage.gateway);
      return all.accredit_sign_in_milliseconds_count ? all : undefined;
    });
    for (const call of ['token', 'keys', 'metadata'])
      assert.ok(seen[`accredit_call_milliseconds_count{call="${call}"}`] >= 1, `${call} in ${Object.keys(seen)}`);
    const slow = (sample) => seen[`${sample}{call="token",le="250"}`] < seen[`${sample}{call="token",le="+Inf"}`];
    assert.ok(slow('accredit_call_milliseconds_bucket'), JSON.stringify(seen));
    assert.ok(seen.accredit_sign_in_milliseconds_sum >= 300);
    const measured = (all) => Object.entries(all).filter(([sample]) => /milliseconds_count|decisions_redirected/.test(sample));
    for (let i = 0; i < 5; i += 1) assert.equal((await alice.open('/analytics')).status, 200);
    const forwarded = seen.accredit_decisions_forwarded + 5;
    const after = await eventually('they are counted', async () => {
      const all = await samples(stage.gateway);
      return all.accredit_decisions_forwarded === forwarded ? all : undefined;
    });
    assert.deepEqual(measured(after), measured(seen));
  });

  it('has the time of the last good fetch of each document, which all workers set alike', async () => {
    const seen = await samples(stage.gateway);
    const now = Date.now() / 1000;
    for (const what of ['metadata', 'keys']) {
      const fetched = seen[`accredit_${what}_fetched_timestamp_seconds{provider="demo"}`];
      assert.ok(fetched > now - 120 && fetched <= now, `${what}: ${fetched}, at ${now}`);
    }
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

/** A service that Envoy sends its spans to, as the cluster `tracing` of this bootstrap. */
function traced(bootstrap) {
  const [listener] = bootstrap.static_resources.listeners;
  const cluster = structuredClone(bootstrap.static_resources.clusters.find(({ name }) => name === 'application'));
  cluster.name = cluster.load_assignment.cluster_name = 'tracing';
  bootstrap.static_resources.clusters.push(cluster);
  managerOf(listener).tracing = {
    provider: {
      name: 'envoy.tracers.opentelemetry',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
        service_name: 'gateway',
        http_service: { http_uri: { uri: 'http://tracing/v1/traces', cluster: 'tracing', timeout: '1s' } },
      },
    },
  };
}

describe('a trace', () => {
  const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const stage = onStage({ envoy: traced });

  /** The fields of the trace that the provider got with the code of a sign-in, whose callback came with these. */
  async function tokenRequest(fields) {
    const visitor = stage.visitor();
    const callback = await visitor.untilCallback();
    stage.provider.received.token.length = 0;
    assert.equal((await visitor.open(callback.href, { headers: fields })).status, 303);
    const [{ headers }] = stage.provider.received.token;
    return [headers.traceparent, headers.tracestate];
  }

  it('that a request belongs to is that of the calls that it causes, and what is malformed goes no further', async () => {
    assert.deepEqual(await tokenRequest({ traceparent: PARENT, tracestate: 'a=1' }), [PARENT, 'a=1']);
    assert.deepEqual(await tokenRequest({ traceparent: `${PARENT}-x`, tracestate: 'a=1' }), [undefined, undefined]);
  });

  it("that Envoy begins itself is the application's alone: it has no span when the calls are made", async () => {
    assert.deepEqual(await tokenRequest({}), [undefined, undefined]);
    await stage.visitor().open('/');
    const seen = stage.application.requests.find(({ url }) => url === '/');
    assert.match(headerValues(seen, 'traceparent')[0], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });
});

describe('audit lines', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'audit.json');
  /** The block of the documentation that writes them as JSON alone, for this file. */
  const documented = () => {
    const [, block] = /### Audit lines as JSON alone.*?```yaml\n(.*?)```/s.exec(readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8'));
    const [logger] = parse(block);
    logger.typed_config.path = path;
    return logger;
  };
  const stage = onStage({
    plugin: (configuration) => Object.assign(configuration, { filter_state: ['audit'], audit: { host: 'plain', address: 'hash' } }),
    envoy: (bootstrap) => void managerOf(bootstrap.static_resources.listeners[0]).access_log.push(documented()),
  });
  const written = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  it('are JSON as a whole in a file of their own, and say host and client', async () => {
    const alice = await stage.signedIn();
    await alice.call('/api/logout', { method: 'POST' });
    const stranger = stage.visitor();
    await stranger.call('/api/chat', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    await stranger.call('/', { headers: { host: 'other.example.com' } });
    const lines = await eventually('all are written', () => (written().some(({ audit }) => audit[0].host === 'other.example.com') ? written() : undefined));
    assert.deepEqual(
      lines.flatMap(({ audit }) => audit.map(({ event, reason, host }) => [event, reason, host])),
      [
        ['sign_in_begun', undefined, stage.gateway.host],
        ['sign_in', undefined, stage.gateway.host],
        ['sign_out', undefined, stage.gateway.host],
        ['denied', 'session_missing', stage.gateway.host],
        ['denied', 'host_unknown', 'other.example.com'],
      ],
    );
    for (const { time } of lines) assert.ok(!Number.isNaN(Date.parse(time)), time);
    const addresses = new Set(lines.flatMap(({ audit }) => audit.map(({ address }) => address)));
    assert.equal(addresses.size, 1, 'one client');
    assert.match([...addresses][0], /^[\w-]{16}$/);
    // The same lines are in Envoy's log.
    assert.deepEqual(
      stage.gateway.auditLog().filter(({ request_id: id }) => id),
      lines.flatMap(({ audit }) => audit),
    );
  });

  it('have the address behind trusted proxies as it is, unless something else is written', async () => {
    const { provider, application } = stage;
    const behind = (bootstrap) => void (managerOf(bootstrap.static_resources.listeners[0]).xff_num_trusted_hops = 1);
    const gateway = await startGateway({ provider, application, envoy: behind });
    const told = gateway.mark();
    await new Visitor(gateway).call('/api/chat', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    await new Visitor(gateway).call('/api/chat', { headers: { 'x-forwarded-for': '2001:db8::7' } });
    const addresses = gateway.auditLog(told).map(({ address }) => address);
    await gateway.stop();
    assert.deepEqual(addresses, ['203.0.113.9', '2001:db8::7']);
  });
});
