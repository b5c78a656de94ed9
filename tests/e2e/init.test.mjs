// `accredit init`: from nothing to signed in by two commands: those of docs/command-line.md, typed into a shell, with a real Chromium; and at a provider over
// TLS. Envoy accepts what is written for every place that a gateway can run in. What is written, for which answers, is tested beside the code (src/cli/init/tests.rs).

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { accredit } from './lib/cli.mjs';
import { signInAs, startDemoProvider, startTlsProvider } from './lib/demo.mjs';
import { Envoy, validateFile } from './lib/envoy.mjs';
import { newKey } from './lib/gateway.mjs';
import { ROOT, eventually, freePort, temporaryFolder, wasmPath } from './lib/process.mjs';
import { commandsOf, Reader } from './lib/reader.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { Application } from './lib/upstream.mjs';

const options = (values) => Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);

/** Runs init in a new folder. Resolves with {folder, code, out, err, file, environment}: the text of the file, and the variables of the one with the secrets. */
async function init(values, more = []) {
  const folder = temporaryFolder();
  const run = await accredit(['init', ...options(values), ...more], { folder });
  const read = (name) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');
  const pairs = [...read('accredit.env').matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  return { folder, ...run, file: read('envoy.yaml'), environment: Object.fromEntries(pairs) };
}

/** Starts Envoy with the file as it was written; only its admin interface gets a free port, because other tests have theirs on the usual one. */
async function started({ file, environment }, origin, { clientSecret }, ca) {
  assert.equal(file.split('port_value: 9901').length, 2);
  const envoy = await Envoy.start(file.replace('port_value: 9901', 'port_value: 0'), { environment: { ...environment, OIDC_CLIENT_SECRET: clientSecret } });
  return { envoy, origin, ca };
}

describe('from nothing to signed in', () => {
  /** [where the provider is, how it is started, further options] */
  const PROVIDERS = [
    ['on this machine', async (origin) => ({ provider: await startDemoProvider(origin), more: {}, ca: undefined })],
    [
      'over TLS, verified by an authority of its own',
      async (origin) => {
        const authority = makeAuthority();
        const provider = await startTlsProvider(origin, { clientId: 'accredit-demo', ...authority.issue('localhost') });
        return { provider, more: { 'ca-file': authority.file }, ca: authority.pem };
      },
    ],
  ];
  for (const [where, start] of PROVIDERS) {
    it(`takes two commands, with a provider ${where}`, async () => {
      const origin = `http://localhost:${await freePort()}`;
      const { provider, more, ca } = await start(origin);
      const application = await Application.start();
      let gateway;
      try {
        const made = await init({
          issuer: provider.issuer,
          origin,
          application: `127.0.0.1:${application.port}`,
          'client-id': 'accredit-demo',
          group: 'oracle-ai-users',
          'group-path': '/members',
          module: wasmPath(),
          ...more,
        });
        assert.deepEqual([made.code, made.err], [0, ''], made.out);
        assert.equal(statSync(join(made.folder, 'accredit.env')).mode & 0o777, 0o600);
        assert.equal(made.file.includes(made.environment.ACCREDIT_KEY), false);
        assert.match(made.file, /logout: \{provider: true/, 'the provider offers it');

        gateway = await started(made, origin, provider, ca);
        const alice = await signInAs(gateway, 'alice', { path: '/members' });
        assert.deepEqual([alice.landing.status, alice.landing.url.pathname], [200, '/members']);
        const bob = await signInAs(gateway, 'bob', { path: '/' });
        assert.equal(bob.landing.status, 200);
        assert.equal((await bob.open('/members')).status, 403);
        assert.equal(application.requests.at(-1).headers['x-forwarded-user'] !== undefined, true);
      } finally {
        await gateway?.envoy.stop();
        await application.stop();
        await provider.stop();
      }
    });
  }

  it("takes the two commands that docs/command-line.md shows, at the demo's own provider, in a browser", async () => {
    const [gateway, provider, application, admin] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const substitutes = { 10000: gateway, 9000: provider, 9100: application, deploy: join(ROOT, 'deploy') };
    const [services, commands] = commandsOf('docs/command-line.md', "### At the demo's provider", substitutes);
    const [make, run, ...others] = commands.trim().replaceAll('\\\n', '').split('\n');
    assert.deepEqual(others, [], 'two commands');
    const origin = `http://localhost:${gateway}`;
    const answers = (address) => fetch(address, { redirect: 'manual' });
    const reader = new Reader();
    const browser = await startBrowser();
    try {
      await reader.type(services);
      await eventually('provider and application answer', () =>
        Promise.all([answers(`http://127.0.0.1:${provider}`), answers(`http://127.0.0.1:${application}`)]),
      );
      assert.equal(await reader.type(make), 0, reader.output);
      const file = join(reader.folder, 'envoy.yaml');
      writeFileSync(file, readFileSync(file, 'utf8').replace('port_value: 9901', `port_value: ${admin}`));
      reader.start(run);
      await eventually('the gateway answers', () => answers(origin), { within: 30_000 });

      const visit = async (login) => {
        const { newPage } = await newPerson(browser);
        const page = await newPage();
        await page.goto(`${origin}/members`);
        assert.equal(new URL(page.url()).port, String(provider), `the provider asks, not ${page.url()}`);
        await page.getByLabel('Name').fill(login);
        await page.getByLabel('Password').fill(`${login}-password`);
        await page.getByRole('button', { name: 'Sign in', exact: true }).click();
        await page.waitForURL(`${origin}/members`);
        return page.locator('body').innerText();
      };
      assert.match(await visit('alice'), /alice@example\.com/);
      assert.match(await visit('bob'), /access denied/i);
    } catch (error) {
      throw new Error(`${error.message}\n--- what the shell wrote ---\n${reader.output.slice(-4000)}`, { cause: error });
    } finally {
      await browser.close();
      await reader.stop();
    }
  });

  it('writes nothing when the document is that of another issuer, and nothing over what is there', async () => {
    const provider = await startDemoProvider('http://localhost:10000');
    try {
      const values = { issuer: `${provider.issuer}/`, origin: 'http://localhost:10000', application: '127.0.0.1:9100', 'client-id': 'accredit-demo' };
      const other = await init(values);
      assert.deepEqual([other.code, other.file], [2, '']);
      assert.match(other.err, /write its issuer exactly so/);
    } finally {
      await provider.stop();
    }
  });
});

describe('what is written is accepted by Envoy', () => {
  const PLACES = {
    laptop: { origin: 'http://localhost:10000', application: 'localhost:9100' },
    compose: { origin: 'https://app.example.com', application: 'app:9100' },
    kubernetes: { origin: 'https://app.example.com', application: 'shop.shop.svc.cluster.local:80' },
  };
  for (const [place, values] of Object.entries(PLACES)) {
    it(`for ${place}`, async () => {
      const made = await init({ for: place, issuer: 'https://sso.example.com', 'client-id': 'app', ...values }, ['--offline']);
      assert.equal(made.code, 0, made.err);
      const checked = await accredit(['check', '-'], { input: made.file });
      assert.match(checked.out, /0 errors, 0 warnings in 1 plugin, 1 file/);
      // The module and the certificate are where this machine has them.
      const certificate = join(made.folder, 'certificate.yaml');
      writeFileSync(certificate, 'resources: []\n');
      const file = join(made.folder, 'here.yaml');
      const here = made.file.replace(/filename: "?[\w/]*accredit\.wasm"?/, `filename: ${wasmPath()}`).replace('/etc/envoy/certificate.yaml', certificate);
      writeFileSync(file, here);
      const { code, log } = await validateFile(file, { environment: { OIDC_CLIENT_SECRET: 's', ACCREDIT_KEY: newKey(), ACCREDIT_OTHER_KEY: newKey() } });
      assert.equal(code, 0, log.slice(-2000));
    });
  }
});
