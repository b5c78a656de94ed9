// One pod of deploy/kubernetes at work, with the Envoy configuration from the ConfigMap that kustomize builds: it is validated, also with mistakes, and
// started, and people sign in through it, over TLS on both sides. lib/ingress.mjs says what is changed for this machine.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { signInAs, startTlsProvider } from './lib/demo.mjs';
import { MountedCertificate, newSecrets, refusalInPod, startPod, validatePod } from './lib/ingress.mjs';
import { OVERLAYS, build, objectOf } from './lib/kubernetes.mjs';
import { atExit, closeServer, eventually, listen, temporaryFolder } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertRefused } from './lib/stage.mjs';
import { makeAuthority, serialShownAt } from './lib/tls.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const objects = build('staging');
const { ACCREDIT_ORIGIN: origin, OIDC_CLIENT_ID: clientId } = objectOf(objects, 'ConfigMap/environment').data;
const host = new URL(origin).host;
const stage = {};
const others = [];

before(async () => {
  const authority = makeAuthority();
  const provider = await startTlsProvider(origin, { clientId, ...authority.issue('localhost') });
  Object.assign(stage, {
    authority,
    provider,
    certificate: new MountedCertificate(authority.issue(host)),
    application: await Application.start(),
    secrets: newSecrets(provider.clientSecret),
  });
});
beforeEach(() => stage.application.forget());
afterEach(async () => {
  for (const other of others.splice(0)) await other.stop();
});
after(async () => {
  await stage.provider?.stop();
  await stage.application?.stop();
});

/** What is stopped after the test. */
const keep = (thing) => (others.push(thing), thing);

/** Sends a GET without TLS to a port of the pod: {status, headers, body}. */
const ask = (port, path, { method = 'GET', headers = {} } = {}) =>
  new Promise((answered, failed) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => (body += text));
      response.on('end', () => answered({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', failed);
    request.end();
  });

describe('the configuration in the built ConfigMap', () => {
  for (const overlay of OVERLAYS) {
    it(`is accepted by Envoy, with the variables of ${overlay}`, async () => {
      const { code, log } = await validatePod(build(overlay), stage);
      assert.equal(code, 0, log);
    });
  }

  const edited = (from, to) => (text) => {
    assert.equal(text.split(from).length >= 2, true, `the file has no ${from}`);
    return text.replace(from, to);
  };

  for (const [what, from, to, complaint] of [
    ['a word that the filter does not know', 'filter_state: [subject, rule]', 'filter_sate: [subject, rule]', /filter_sate/],
    ['a variable that the filter may not read', 'host_env_keys: [ACCREDIT_ORIGIN, ', 'host_env_keys: [', /origins\[0\]/],
    ['a field that Envoy does not know', 'normalize_path: true', 'normalise_path: true', /normalise_path/],
    ['a cluster that is missing', 'route: {cluster: application,', 'route: {cluster: aplication,', /aplication/],
    [
      'a provider whose certificate nobody would verify',
      'upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}',
      'upstream_http_protocol_options: {auto_sni: true}',
      /auto_san_validation|auto_sni/,
    ],
  ]) {
    it(`is refused by Envoy when it is broken, with the place: ${what}`, async () => {
      const { code, log } = await validatePod(objects, { ...stage, edit: edited(from, to) });
      assert.equal(code, 1, log);
      assert.match(log, complaint);
    });
  }

  // Mistakes in the filter's own configuration are checked by its reader, which gets only the variables that the pod passes on.
  for (const [what, from, to, complaint] of [
    ['a provider without an issuer', '- name: sso\n                      issuer: {environment_variable: OIDC_ISSUER}', '- name: sso', /providers\[0\]/],
    ['a variable that the filter may not read', 'host_env_keys: [ACCREDIT_ORIGIN, ', 'host_env_keys: [', /origins\[0\]/],
    ['a variable that the pod has not', 'issuer: {environment_variable: OIDC_ISSUER}', 'issuer: {environment_variable: ISSUER}', /providers\[0\]\.issuer/],
    [
      'the same key twice',
      '[{environment_variable: ACCREDIT_KEY}, {environment_variable: ACCREDIT_OTHER_KEY}]',
      '[{environment_variable: ACCREDIT_KEY}, {environment_variable: ACCREDIT_KEY}]',
      /session\.keys\[1\]/,
    ],
    [
      'no key at all',
      'session: {keys: [{environment_variable: ACCREDIT_KEY}, {environment_variable: ACCREDIT_OTHER_KEY}]}',
      'session: {keys: []}',
      /session\.keys/,
    ],
    [
      'a rule that demands nothing readable',
      'require: {claim: groups, any_of: [oracle-ai-users]}',
      'require: {claim: 7, any_of: [oracle-ai-users]}',
      /rules\[2\]\.require/,
    ],
    ['a rule by a method that is none', 'match: {path: /chat}', 'match: {path: chat}', /rules\[1\]\.match\.path/],
  ]) {
    it(`is refused by the filter when it is broken, with the place: ${what}`, async () => {
      assert.match((await refusalInPod(objects, { ...stage, edit: edited(from, to) })) ?? 'it was accepted', complaint);
    });
  }

  for (const [name, value, complaint] of [
    ['OIDC_ISSUER', 'http://sso.example.com', /providers\[0\]\.issuer/],
    ['ACCREDIT_ORIGIN', 'app.example.com', /origins\[0\]/],
    ['ACCREDIT_KEY', 'short', /session\.keys\[0\]/],
    ['ACCREDIT_OTHER_KEY', undefined, /session\.keys\[1\]/],
  ]) {
    it(`is refused by the filter with the place when ${name} is ${value ?? 'missing'}`, async () => {
      assert.match((await refusalInPod(objects, { ...stage, environment: { [name]: value } })) ?? 'it was accepted', complaint);
    });
  }

  it('is accepted by the filter without these mistakes', async () => {
    assert.equal(await refusalInPod(objects, stage), null);
  });
});

describe('the pod', () => {
  let pod;
  before(async () => (pod = await startPod(objects, stage)));
  after(async () => {
    await pod?.stop();
    if (pod) assertNoPanic(pod);
  });

  it("lets people sign in at the overlay's origin, by a provider whose certificate it verifies", async () => {
    const alice = await signInAs(pod, 'alice');
    assert.deepEqual([alice.landing.status, alice.landing.url.href], [200, `${origin}/analytics`]);
    const arrived = await stage.application.only('/analytics');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-user'), ['alice']);
    assert.deepEqual(headerValues(arrived, 'x-forwarded-proto'), ['https']);
    assert.equal((await alice.call('/api/chat')).status, 200);
    assertRefused(await (await signInAs(pod, 'bob')).call('/api/chat'), 403, 'condition_failed');
  });

  it('lets people sign in over HTTP/2, too', async () => {
    const alice = await signInAs(pod, 'alice', { http2: true });
    assert.equal(alice.landing.status, 200);
    assert.equal((await alice.call('/api/chat')).status, 200);
    alice.close();
  });

  it('requires a sign-in, except for public pages', async () => {
    const nobody = new Visitor(pod);
    assert.equal((await nobody.open('/')).status, 200);
    assertRefused(await nobody.call('/api/chat'), 401, 'session_missing');
    assert.deepEqual(
      stage.application.requests.map(({ url }) => url),
      ['/'],
    );
  });

  it('refuses every other host', async () => {
    assert.equal((await new Visitor(pod).send('/', { headers: { host: 'other.example.com' } })).status, 421);
    assert.deepEqual(stage.application.requests, []);
  });

  it('redirects http to https, and forwards nothing', async () => {
    const answer = await ask(pod.pod.redirect, '/analytics?x=1', { headers: { host, cookie: '__Host-accredit=x' } });
    assert.deepEqual([answer.status, answer.headers.location], [308, `${origin}/analytics?x=1`]);
    assert.deepEqual(stage.application.requests, []);
  });

  it('shows its state and its counters on the port of the probes, and nothing else of the admin interface', async () => {
    const { probes } = pod.pod;
    for (const path of ['/live', '/ready', '/stats/prometheus']) assert.equal((await ask(probes, path)).status, 200, path);
    assert.match((await ask(probes, '/stats/prometheus')).body, /accredit/);
    const hidden = [
      '/',
      '/config_dump',
      '/certs',
      '/stats',
      '/ready/',
      '/ready/../config_dump',
      '/stats/prometheus/../../quitquitquit',
      '/server_info',
      '/logging',
      '//config_dump',
      '/ready%2f..%2fconfig_dump',
    ];
    for (const path of hidden) assert.notEqual((await ask(probes, path)).status, 200, path);
    for (const path of ['/ready', '/stats/prometheus', '/quitquitquit', '/healthcheck/fail', '/drain_listeners'])
      assert.equal((await ask(probes, path, { method: 'POST' })).status, 404, path);
    assert.equal(pod.running, true);
    assert.equal((await ask(probes, '/ready')).status, 200);
  });

  it('still answers its probes when memory is short, while all other requests are refused', async () => {
    const short = keep(await startPod(objects, { ...stage, edit: (text) => text.replace('max_heap_size_bytes: 335544320', 'max_heap_size_bytes: 1048576') }));
    await eventually('everybody is refused', async () => (await new Visitor(short).open('/')).status === 503);
    for (const path of ['/live', '/ready', '/stats/prometheus']) assert.equal((await ask(short.pod.probes, path)).status, 200, path);
  });

  it('keeps its secrets out of what Envoy tells about itself, and out of its log', async () => {
    const dump = await pod.admin('/config_dump');
    assert.deepEqual(
      Object.values(stage.secrets).filter((secret) => dump.includes(secret)),
      [],
    );
    assertNotTold(pod, Object.values(stage.secrets));
    assert.match(dump, /OIDC_CLIENT_SECRET/);
  });

  it('uses a renewed certificate without a restart: connections and sessions stay', async () => {
    const alice = await signInAs(pod, 'alice');
    const [before, { pid }] = [await serialShownAt(pod.pod.gateway, host, stage.authority), pod];
    const keptOpen = await signInAs(pod, 'bob', { http2: true });
    stage.certificate.renew(stage.authority.issue(host));
    await eventually('another certificate is shown', async () => (await serialShownAt(pod.pod.gateway, host, stage.authority)) !== before);
    assert.deepEqual([(await alice.open('/analytics')).status, (await keptOpen.open('/analytics')).status, pod.pid], [200, 200, pid]);
    keptOpen.close();
  });
});

describe('a provider with a false identity', () => {
  for (const [what, issue] of [
    ['its certificate is by an authority that the image does not trust', () => makeAuthority().issue('localhost')],
    ['its certificate is for another host', () => stage.authority.issue('elsewhere.example.com')],
  ]) {
    it(`is not called: ${what}`, async () => {
      const provider = keep(await startTlsProvider(origin, { clientId, ...issue() }));
      const other = keep(await startPod(objects, { ...stage, provider }));
      assertRefused(await new Visitor(other).open('/analytics'), 503, 'metadata_unavailable');
      assert.equal((await new Visitor(other).open('/')).status, 200, 'public pages are served meanwhile');
    });
  }
});

describe('a cluster that could reach any host', () => {
  for (const [name, path] of [
    ['token_endpoint', '/token'],
    ['jwks_uri', '/jwks'],
  ]) {
    it(`reaches only the issuer's: nothing is sent to a ${name} on another host, even one with a valid certificate`, async () => {
      const provider = keep(await startTlsProvider(origin, { clientId, ...stage.authority.issue('localhost') }));
      const asked = [];
      const { certificate: cert, key } = stage.authority.issue('localhost');
      const elsewhere = https.createServer({ cert, key }, (request, response) => (asked.push(request.url), response.end('{}')));
      const port = await listen(elsewhere);
      keep({ stop: () => closeServer(elsewhere) });
      provider.provider.use(async (ctx, next) => {
        await next();
        if (ctx.path.endsWith('/openid-configuration')) ctx.body[name] = `https://localhost:${port}${path}`;
      });
      const other = keep(await startPod(objects, { ...stage, provider }));
      assertRefused(await new Visitor(other).open('/analytics'), 503, 'metadata_unavailable');
      await eventually('the log names the host', () => other.log().includes(`localhost:${port}`));
      assert.deepEqual(asked, []);
    });
  }
});

describe('the end of a pod', () => {
  it('begins with the container `drain`, which makes Envoy close connections after their next answer', async () => {
    const ending = keep(await startPod(objects, stage));
    const alice = await signInAs(ending, 'alice');
    const visit = async () =>
      (({ status, headers }) => [status, headers.connection])(await alice.open('/analytics', { headers: { connection: 'keep-alive' } }));
    assert.deepEqual(await visit(), [200, undefined]);

    const drain = runDrain(ending);
    await drain.started;
    assert.equal((await ask(ending.pod.probes, '/ready')).status, 200, 'nothing happens before its time');
    drain.child.kill('SIGTERM');
    const [code] = await once(drain.child, 'exit');
    assert.equal(code, 0);

    assert.equal((await ask(ending.pod.probes, '/ready')).status, 503);
    assert.equal((await ask(ending.pod.probes, '/live')).status, 200, 'it is not to be started again');
    assert.deepEqual(await visit(), [200, 'close']);
  });
});

/** Runs the container's command with the pod's admin port. It uses curl in place of wget, which this machine may not have. */
function runDrain(ending) {
  const [{ command }] = objectOf(objects, 'Deployment/accredit').spec.template.spec.containers.filter(({ name }) => name === 'drain');
  const folder = temporaryFolder();
  const tool = (name, text) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  tool('wget', '[ "$1 $2 $3 $4" = "-q -O - --post-data=" ] && exec curl --silent --fail --data "" "$5"');
  tool('tail', 'echo started; exec /usr/bin/env sleep 600');
  const words = command.map((word) => word.replace('127.0.0.1:9901', `127.0.0.1:${ending.pod.admin}`));
  const child = spawn(words[0], words.slice(1), { env: { PATH: `${folder}:${process.env.PATH}` }, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  // When a container ends, all of its processes end; here the process group does.
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      /* it has ended */
    }
  };
  atExit(stop);
  keep({ stop });
  return { child, started: once(child.stdout, 'data') };
}
