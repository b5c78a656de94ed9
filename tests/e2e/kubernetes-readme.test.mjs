// The commands of deploy/kubernetes/README.md that make Secrets and change keys, run as they stand there, by the real kubectl without a cluster: a kubectl of
// the tests keeps the Secrets in files and hands the rest on.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build, kubectl, objectOf } from './lib/kubernetes.mjs';
import { ROOT, temporaryFolder } from './lib/process.mjs';

const README = readFileSync(join(ROOT, 'deploy/kubernetes/README.md'), 'utf8');
const BLOCKS = [...README.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text);
const blockWith = (words) => {
  const found = BLOCKS.filter((text) => text.includes(words));
  assert.equal(found.length, 1, `one block with "${words}"`);
  return found[0];
};
const before = [blockWith('kubectl create namespace'), blockWith('create secret generic'), blockWith('create secret tls')];
const firstStep = blockWith('"{\\"data\\":{\\"other-session-key\\":');
const secondStep = blockWith('key() {');

/** Knows the verbs that the README needs and no others. At each restart the Secrets of that moment are kept. */
const STAND_IN = `#!/bin/sh
if [ "$1" = -n ]; then [ "$2" = accredit-staging ] || exit 9; shift 2; fi
echo "$1 $2" >>verbs
case "$1 $2" in
"create namespace" | "label namespace" | "rollout status") ;;
"create secret") "$REAL" "$@" --dry-run=client -o json >"secret-$4.json" ;;
"patch secret") "$REAL" patch --local -f "secret-$3.json" -p "$5" -o json >new && mv new "secret-$3.json" ;;
"get secret") "$REAL" patch --local -f "secret-$3.json" -p '{}' "$4" "$5" ;;
"rollout restart") cp secret-accredit-secrets.json "restart-$(ls | grep -c '^restart').json" ;;
*) echo "unexpected: $*" >&2; exit 8 ;;
esac
`;

/** Runs blocks one after the other in one shell. Resolves with {secret, restarts, verbs}. */
function run(...blocks) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'kubectl'), STAND_IN);
  chmodSync(join(folder, 'kubectl'), 0o755);
  const shell = spawnSync('sh', ['-c', blocks.join('\n')], { cwd: folder, input: 'the client\'s "secret"\n', encoding: 'utf8', env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, REAL: kubectl(), KUBECONFIG: '/dev/null' }, timeout: 60_000 });
  assert.equal(shell.status, 0, shell.stderr);
  assert.equal(/unexpected:|error/i.test(shell.stderr), false, shell.stderr);
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const restarts = readdirSync(folder).filter((name) => name.startsWith('restart-')).sort().map(read);
  return { secret: (name) => read(`secret-${name}.json`), restarts, verbs: readFileSync(join(folder, 'verbs'), 'utf8').trim().split('\n') };
}

const decoded = (secret, key) => Buffer.from(secret.data[key], 'base64').toString();

describe('the README', () => {
  it('makes the Secrets that the pods refer to, with keys that Accredit takes', () => {
    const { secret } = run(...before);
    const { containers, volumes } = objectOf(build('staging'), 'Deployment/accredit').spec.template.spec;
    const references = containers.flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom.secretKeyRef));
    for (const { name, key } of references) assert.ok(secret(name).data[key], `${name} ${key}`);
    const made = secret('accredit-secrets');
    assert.deepEqual(Object.keys(made.data).sort(), references.map(({ key }) => key).sort());
    assert.equal(decoded(made, 'oidc-client-secret'), 'the client\'s "secret"');
    const keys = ['session-key', 'other-session-key'].map((name) => decoded(made, name));
    assert.deepEqual(keys.map((key) => Buffer.from(key, 'base64').length), [32, 32]);
    assert.notEqual(keys[0], keys[1]);

    const tls = secret(volumes.find(({ secret: mounted }) => mounted).secret.secretName);
    assert.deepEqual([tls.type, Object.keys(tls.data).sort()], ['kubernetes.io/tls', ['tls.crt', 'tls.key']]);
  });

  it('changes keys in two steps: the sealing key stays in the first and opens in the second, and each is rolled out before the next', () => {
    const { restarts: [begin, first, second, ...more], verbs } = run(...before, 'kubectl -n $ns rollout restart deployment/accredit', firstStep, secondStep);
    assert.deepEqual(more, []);
    const keys = (secret) => [decoded(secret, 'session-key'), decoded(secret, 'other-session-key')];
    const [[oldKey, oldOther], [sealing, fresh]] = [keys(begin), keys(first)];
    assert.deepEqual([sealing, [oldKey, oldOther].includes(fresh)], [oldKey, false]);
    assert.equal(Buffer.from(fresh, 'base64').length, 32);
    assert.deepEqual(keys(second), [fresh, oldKey]);
    assert.equal(decoded(second, 'oidc-client-secret'), decoded(begin, 'oidc-client-secret'));
    assert.deepEqual(verbs.filter((verb) => verb.startsWith('patch') || verb.startsWith('rollout')).slice(1), ['patch secret', 'rollout restart', 'rollout status', 'patch secret', 'rollout restart', 'rollout status']);
  });

  it('names overlays, files and a namespace that there are', () => {
    const [, namespace] = /^ns=(\S+)$/m.exec(README);
    assert.equal(objectOf(build('staging'), 'Deployment/accredit').metadata.namespace, namespace);
    for (const [, path] of README.matchAll(/ -k (\S+)|kustomize (\S+)/g)) if (path) assert.ok(existsSync(join(ROOT, path, 'kustomization.yaml')), path);
    for (const [, path] of README.matchAll(/\]\(((?:base|application)\/[^)#]+)\)/g)) assert.ok(existsSync(join(ROOT, 'deploy/kubernetes', path)), path);
    for (const file of readdirSync(join(ROOT, 'deploy/kubernetes/base'))) assert.ok(README.includes(`base/${file}`) || ['kustomization.yaml', 'certificate.yaml'].includes(file), `the README does not say what ${file} is`);
  });
});

describe('deploy/build/kubectl.sh', () => {
  it('takes no kubectl that builds nothing, and says what to do', () => {
    const program = join(temporaryFolder(), 'kubectl');
    writeFileSync(program, '#!/bin/sh\necho "Kustomize Version: v5.9.9"\n');
    chmodSync(program, 0o755);
    const answer = spawnSync(join(ROOT, 'deploy/build/kubectl.sh'), { env: { ...process.env, KUBECTL: program }, encoding: 'utf8' });
    assert.deepEqual([answer.status, answer.stdout], [1, '']);
    assert.match(answer.stderr, /kustomize 5 or newer/);
  });
});
