// `accredit doctor` at real providers: oidc-provider over TLS and over plain http, and one that says what a test wants. What each sentence says is tested beside
// the code (src/cli/doctor/tests.rs); this file shows that the command gets the right answers over the network, and draws the right conclusions from them.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { accredit } from './lib/cli.mjs';
import { startDemoProvider, startGoogleLikeProvider, startTlsProvider } from './lib/demo.mjs';
import { newKey } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { freePort, temporaryFolder } from './lib/process.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { Transmitter } from './lib/transmitter.mjs';

const ORIGIN = 'http://localhost:10000';
const SECRET = 'demo-secret';

/** A configuration for a provider, with these fields of it changed. */
function configurationFor({ issuer }, provider = {}, more = {}) {
  const host = new URL(issuer).host;
  const main = {
    name: 'main',
    issuer,
    clusters: { [host]: 'provider' },
    client_id: 'accredit-demo',
    client_secret: { environment_variable: 'OIDC_CLIENT_SECRET' },
  };
  const configuration = { origins: [ORIGIN], providers: [{ ...main, ...provider }], session: { keys: [newKey()] }, ...more };
  const file = join(temporaryFolder(), 'configuration.json');
  writeFileSync(file, JSON.stringify(configuration));
  return file;
}

/** What doctor finds: {code, findings}, each finding as "level id: sentence". */
async function examined(file, words = [], environment = { OIDC_CLIENT_SECRET: SECRET }) {
  const { code, out, err } = await accredit(['doctor', '--json', ...words, file], { environment });
  assert.ok(code < 2, err);
  assert.ok(!out.includes(SECRET) && !err.includes(SECRET), 'the secret is never printed');
  return { code, findings: JSON.parse(out).findings.map(({ level, id, sentence }) => `${level} ${id}: ${sentence}`) };
}

const has = (findings, begins, words = '') =>
  assert.ok(
    findings.some((line) => line.startsWith(begins) && line.includes(words)),
    findings.join('\n'),
  );
const lacks = (findings, ...levels) =>
  assert.deepEqual(
    findings.filter((line) => levels.some((level) => line.startsWith(`${level} `))),
    [],
  );

describe('at a provider on this machine', () => {
  let provider;
  before(async () => {
    provider = await startDemoProvider(ORIGIN);
  });
  after(() => provider.stop());

  it('all is well: documents, keys, clock, redirect URI and secret', async () => {
    const { code, findings } = await examined(configurationFor(provider, {}, { logout: { provider: true } }), ['--try-secret']);
    assert.equal(code, 0, findings.join('\n'));
    lacks(findings, 'error', 'warning');
    for (const id of ['connection', 'clock', 'discovery', 'endpoint', 'keys', 'pkce', 'client-authentication', 'sign-out']) has(findings, `ok ${id}`);
    has(findings, 'ok redirect-uri', `${ORIGIN}/api/callback was not refused, and a made-up address was`);
    has(findings, 'ok client', 'client_id and secret were not refused');
  });

  it('a redirect URI that is not registered looks refused, for each origin by itself', async () => {
    const { code, findings } = await examined(configurationFor(provider, {}, { origins: [ORIGIN, 'http://localhost:10001'] }));
    assert.equal(code, 1);
    has(findings, 'ok redirect-uri', ORIGIN);
    has(findings, 'error redirect-uri', 'http://localhost:10001/api/callback looks refused');
  });

  it('a wrong secret is refused, and an unknown client, too', async () => {
    const wrong = await examined(configurationFor(provider), ['--try-secret'], { OIDC_CLIENT_SECRET: 'not-the-one' });
    has(wrong.findings, 'error client', 'the provider refuses the client');
    has(wrong.findings, 'ok redirect-uri');
    const unknown = await examined(configurationFor(provider, { client_id: 'nobody' }), ['--try-secret']);
    has(unknown.findings, 'error redirect-uri', 'invalid_client');
    has(unknown.findings, 'error client');
  });

  it('a secret is tried only if that is asked for and it is here, and documents alone can be asked for', async () => {
    const unasked = await examined(configurationFor(provider));
    assert.equal(unasked.code, 0, unasked.findings.join('\n'));
    has(unasked.findings, 'note client', '--try-secret');
    const { findings } = await examined(configurationFor(provider), ['--try-secret'], { OIDC_CLIENT_SECRET: '' });
    has(findings, 'note client', 'OIDC_CLIENT_SECRET is not set here');
    const quiet = await examined(configurationFor(provider), ['--documents-only']);
    assert.equal(quiet.code, 0);
    assert.deepEqual(
      quiet.findings.filter((line) => / (client|redirect-uri):/.test(line)),
      [],
    );
  });

  it('an issuer that is written in another way is told with both', async () => {
    const { code, findings } = await examined(configurationFor({ issuer: `${provider.issuer}/` }));
    assert.equal(code, 1);
    has(findings, 'error discovery', 'write its issuer exactly so');
  });
});

describe('at a provider with endpoints on several hosts', () => {
  it('each host without a cluster is named', async () => {
    const provider = await startGoogleLikeProvider(ORIGIN);
    try {
      const { code, findings } = await examined(configurationFor(provider, { userinfo: true }));
      assert.equal(code, 1);
      for (const { authority } of provider.hosts) has(findings, 'error endpoint', `no cluster is listed for ${authority}`);
      const clusters = Object.fromEntries(
        [...provider.hosts, { authority: new URL(provider.issuer).host, cluster: 'provider' }].map(({ authority, cluster }) => [authority, cluster]),
      );
      lacks((await examined(configurationFor(provider, { userinfo: true, clusters }, { endpoints: { callback: '/auth/callback' } }))).findings, 'error');
    } finally {
      await provider.stop();
    }
  });
});

describe('over TLS', () => {
  let authority;
  let provider;
  before(async () => {
    authority = makeAuthority();
    provider = await startTlsProvider(ORIGIN, { clientId: 'accredit-demo', ...authority.issue('localhost') });
  });
  after(() => provider.stop());

  it('a certificate of the named authority is good', async () => {
    const { code, findings } = await examined(configurationFor(provider), ['--ca-file', authority.file]);
    assert.equal(code, 0, findings.join('\n'));
    has(findings, 'ok connection', `its certificate is good by the authorities of ${authority.file}`);
  });

  it('a certificate of an authority that nobody trusts is told with the remedy, and nothing is sent', async () => {
    for (const words of [[], ['--ca-file', makeAuthority().file]]) {
      const { code, findings } = await examined(configurationFor(provider), words);
      assert.equal(code, 1);
      has(findings, 'error connection', '--ca-file');
      assert.deepEqual(findings.length, 1, findings.join('\n'));
    }
  });

  it('a certificate for another name is told with the name, and an address can be given for a name', async () => {
    const port = new URL(provider.issuer).port;
    const elsewhere = { issuer: `https://sso.example.com:${port}` };
    const { findings } = await examined(configurationFor(elsewhere), ['--ca-file', authority.file, '--resolve', `sso.example.com:${port}:127.0.0.1`]);
    has(findings, 'error connection', 'its certificate is for other names');
  });

  it('a port without TLS, and a port where nobody is, are told apart', async () => {
    const plain = await startDemoProvider(ORIGIN);
    try {
      const { findings } = await examined(configurationFor({ issuer: plain.issuer.replace('http:', 'https:') }));
      has(findings, 'error connection', 'it speaks no TLS at this port');
    } finally {
      await plain.stop();
    }
    const nobody = await examined(configurationFor({ issuer: `https://127.0.0.1:${await freePort()}` }));
    has(nobody.findings, 'error connection', 'was not reached');
  });
});

describe('at a provider that errs', () => {
  let provider;
  before(async () => {
    provider = await Provider.start();
  });
  after(() => provider.stop());

  it('a clock that is wrong is told by its Date', async () => {
    provider.behave();
    provider.intercept.discovery = (_, response) => {
      response.setHeader('date', new Date(Date.now() - 600_000).toUTCString());
      return provider._discovery(response);
    };
    const { findings } = await examined(configurationFor(provider));
    has(findings, 'error clock', 's behind ours');
  });

  it("a transmitter's metadata and keys are asked for and judged as a provider's, and its issuer is compared", async () => {
    provider.behave();
    const transmitter = await Transmitter.start();
    try {
      const { address } = transmitter;
      const clusters = { [new URL(address).host]: 'transmitter' };
      const taking = (issuer, more) => ({
        endpoints: { security_events: '/api/security_events' },
        transmitters: [{ name: 'watcher', issuer, clusters, providers: ['main'], ...more }],
      });
      const good = await examined(configurationFor(provider, {}, taking(address)), ['--documents-only']);
      has(good.findings, 'ok discovery', 'its issuer is the configured one');
      has(good.findings, 'ok keys', 'security events can be verified by "events-1", with RS256');
      const other = taking(`${address}/`, { algorithms: ['ES256'] });
      const bad = await examined(configurationFor(provider, {}, other), ['--documents-only']);
      has(bad.findings, 'error discovery', 'expected issuer');
    } finally {
      await transmitter.stop();
    }
  });

  it('one that sends browsers to addresses that nobody registered is told', async () => {
    provider.behave();
    const { findings } = await examined(configurationFor(provider));
    has(findings, 'warning redirect-uri', 'an address that nobody registered');
  });
});
