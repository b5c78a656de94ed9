// Runs the commands of deploy/kubernetes/README.md that make Secrets and change keys, unchanged, without a cluster: a script in place of kubectl keeps the
// Secrets in files, and uses the real kubectl for everything else.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build, kubectl, objectOf, objectsIn } from './lib/kubernetes.mjs';
import { ROOT, temporaryFolder } from './lib/process.mjs';

const README = readFileSync(join(ROOT, 'deploy/kubernetes/README.md'), 'utf8');
const BLOCKS = [...README.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text);
const blockWith = (words) => {
  const found = BLOCKS.filter((text) => text.includes(words));
  assert.equal(found.length, 1, `one block with "${words}"`);
  return found[0];
};
const before = [blockWith('kubectl create namespace'), blockWith('create secret generic'), blockWith('create secret tls')];
const policy = blockWith('application/networkpolicy.yaml');
const firstStep = blockWith('key() {');
const secondStep = blockWith('"session-key": "${new:?}"');
const restart = 'kubectl -n $ns rollout restart deployment/accredit';

/** The script in place of kubectl. It knows only the verbs that the README needs. At each restart it keeps a copy of the Secret. */
const STAND_IN = `#!/bin/sh
cd "$KEPT"
if [ "$1" = -n ]; then namespace=$2; shift 2; fi
case "$namespace $1" in "shop-staging apply" | "accredit-staging "* | " "*) ;; *) echo "unexpected in $namespace: $*" >&2; exit 9 ;; esac
echo "$1 $2" >>verbs
echo "$*" >>arguments
case "$1 $2" in
"create namespace" | "label namespace" | "rollout status") ;;
"create secret") "$REAL" "$@" --dry-run=client -o json >"secret-$4.json" ;;
"patch secret") "$REAL" patch --local -f "secret-$3.json" "$4" -o json >new && mv new "secret-$3.json" ;;
"apply -f") cat "$3" >applied ;;
"get secret") "$REAL" patch --local -f "secret-$3.json" -p '{}' "$4" "$5" ;;
"rollout restart") cp secret-accredit-secrets.json "restart-$(ls | grep -c '^restart').json" ;;
*) echo "unexpected: $*" >&2; exit 8 ;;
esac
`;

/** Runs blocks in turn in one shell. Returns {secret, restarts, verbs, told}; `told` has all arguments of kubectl. */
const run = (...blocks) => runIn(temporaryFolder(), ...blocks);

function runIn(folder, ...blocks) {
  writeFileSync(join(folder, 'kubectl'), STAND_IN);
  chmodSync(join(folder, 'kubectl'), 0o755);
  const shell = spawnSync('sh', ['-c', blocks.join('\n')], {
    cwd: folder,
    input: 'the client\'s "secret" $1 `x`\n',
    encoding: 'utf8',
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, REAL: kubectl(), REPOSITORY: ROOT, KEPT: folder, KUBECONFIG: '/dev/null' },
    timeout: 60_000,
  });
  const well = shell.status === 0 && !/unexpected|error/i.test(shell.stderr);
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const restarts = readdirSync(folder)
    .filter((name) => name.startsWith('restart-'))
    .sort()
    .map(read);
  const [verbs, told] = ['verbs', 'arguments'].map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return { folder, well, stderr: shell.stderr, secret: (name) => read(`secret-${name}.json`), restarts, verbs: verbs.split('\n'), told };
}

const decoded = (secret, key) => Buffer.from(secret.data[key], 'base64').toString();
const keys = (secret) => [decoded(secret, 'session-key'), decoded(secret, 'other-session-key')];

describe('the README', () => {
  it('makes the Secrets that the pods refer to, with keys that Accredit accepts', () => {
    const { well, stderr, secret } = run(...before);
    assert.ok(well, stderr);
    const { containers, volumes } = objectOf(build('staging'), 'Deployment/accredit').spec.template.spec;
    const references = containers.flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom.secretKeyRef));
    for (const { name, key } of references) assert.ok(secret(name).data[key], `${name} ${key}`);
    const made = secret('accredit-secrets');
    assert.deepEqual(Object.keys(made.data).sort(), references.map(({ key }) => key).sort());
    assert.equal(decoded(made, 'oidc-client-secret'), 'the client\'s "secret" $1 `x`');
    const keys = ['session-key', 'other-session-key'].map((name) => decoded(made, name));
    assert.deepEqual(
      keys.map((key) => Buffer.from(key, 'base64').length),
      [32, 32],
    );
    assert.notEqual(keys[0], keys[1]);

    const tls = secret(volumes.find(({ secret: mounted }) => mounted).secret.secretName);
    assert.deepEqual([tls.type, Object.keys(tls.data).sort()], ['kubernetes.io/tls', ['tls.crt', 'tls.key']]);
  });

  it('changes keys in two steps: the first adds a key that only opens, the second exchanges the two; each is rolled out before the next', () => {
    const {
      well,
      stderr,
      restarts: [begin, first, second, ...more],
      verbs,
    } = run(...before, restart, firstStep, secondStep);
    assert.ok(well, stderr);
    assert.deepEqual(more, []);
    const [[oldKey, oldOther], [sealing, fresh]] = [keys(begin), keys(first)];
    assert.deepEqual([sealing, [oldKey, oldOther].includes(fresh)], [oldKey, false]);
    assert.equal(Buffer.from(fresh, 'base64').length, 32);
    assert.deepEqual(keys(second), [fresh, oldKey]);
    assert.equal(decoded(second, 'oidc-client-secret'), decoded(begin, 'oidc-client-secret'));
    assert.deepEqual(verbs.filter((verb) => verb.startsWith('patch') || verb.startsWith('rollout')).slice(1), [
      'patch secret',
      'rollout restart',
      'rollout status',
      'patch secret',
      'rollout restart',
      'rollout status',
    ]);
  });

  it('does not exchange the keys again when the second step is repeated', () => {
    const {
      well,
      stderr,
      restarts: [begin, first, ...after],
    } = run(...before, restart, firstStep, secondStep, secondStep, secondStep);
    assert.ok(well, stderr);
    assert.deepEqual(after.map(keys), Array(3).fill([keys(first)[1], keys(begin)[0]]));
  });

  for (const [what, shell] of [
    ['a shell that has not done the first', []],
    ['a shell where nothing could be read', ['new= old=']],
  ])
    it(`changes nothing by the second step in ${what}`, () => {
      const { folder, secret } = run(...before, restart, firstStep);
      const known = keys(secret('accredit-secrets'));
      const again = runIn(folder, 'ns=accredit-staging', ...shell, secondStep);
      assert.match(again.stderr, /new: /);
      assert.deepEqual(keys(again.secret('accredit-secrets')), known);
    });

  it('passes no secret in the arguments of a process, which other users of the machine can read', () => {
    const { restarts, secret, told } = run(...before, restart, firstStep, secondStep);
    assert.match(told, /create secret generic accredit-secrets/);
    const values = [...restarts, secret('accredit-secrets')].flatMap(({ data }) => Object.values(data));
    assert.equal(new Set(values).size, 4);
    for (const value of values) for (const text of [value, Buffer.from(value, 'base64').toString()]) assert.equal(told.includes(text), false);
    assert.doesNotMatch(README, /--from-literal|patch [^\n]*-p /);
  });

  it("lets only this environment's gateway reach the application, before the gateway runs", () => {
    const { well, stderr, folder } = run('ns=accredit-staging', 'cd "$REPOSITORY"', policy);
    assert.ok(well, stderr);
    const [{ spec }, ...more] = objectsIn(readFileSync(join(folder, 'applied'), 'utf8'));
    const {
      metadata,
      spec: { template },
    } = objectOf(build('staging'), 'Deployment/accredit');
    assert.deepEqual(
      [more, spec.policyTypes, spec.ingress],
      [
        [],
        ['Ingress'],
        [
          {
            from: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': metadata.namespace } },
                podSelector: { matchLabels: template.metadata.labels },
              },
            ],
          },
        ],
      ],
    );
    assert.ok(README.indexOf(policy) < README.indexOf('kubectl apply -k'));
    const [, namespace] = /kubectl -n (\S+) apply/.exec(policy);
    const { externalName } = objectOf(build('staging'), 'Service/application').spec;
    assert.equal(externalName.split('.')[1], namespace, 'where the overlay says that the application is');
    assert.ok(blockWith('X-Forwarded-User: root').includes(`http://${externalName}/`), 'the same is asked from elsewhere');
  });

  it('names overlays, files and a namespace that exist', () => {
    const [, namespace] = /^ns=(\S+)$/m.exec(README);
    assert.equal(objectOf(build('staging'), 'Deployment/accredit').metadata.namespace, namespace);
    for (const [, path] of README.matchAll(/ -k (\S+)|kustomize (\S+)/g)) if (path) assert.ok(existsSync(join(ROOT, path, 'kustomization.yaml')), path);
    for (const [, path] of README.matchAll(/\]\(((?:base|application)\/[^)#]+)\)/g)) assert.ok(existsSync(join(ROOT, 'deploy/kubernetes', path)), path);
    for (const file of readdirSync(join(ROOT, 'deploy/kubernetes/base')))
      assert.ok(README.includes(`base/${file}`) || ['kustomization.yaml', 'certificate.yaml'].includes(file), `the README does not say what ${file} is`);
  });
});

describe('deploy/build/kubectl.sh', () => {
  it('refuses a kubectl that builds nothing, and says what to do', () => {
    const program = join(temporaryFolder(), 'kubectl');
    writeFileSync(program, '#!/bin/sh\necho "Kustomize Version: v5.9.9"\n');
    chmodSync(program, 0o755);
    const answer = spawnSync(join(ROOT, 'deploy/build/kubectl.sh'), { env: { ...process.env, KUBECTL: program }, encoding: 'utf8' });
    assert.deepEqual([answer.status, answer.stdout], [1, '']);
    assert.match(answer.stderr, /kustomize 5 or newer/);
  });
});
