// What Envoy and Kubernetes make of scalars of YAML. `accredit check` must read a file as they do, and its unit tests hold it to the same table: so it is right
// as long as both agree with the table here.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Envoy } from './lib/envoy.mjs';
import { kubectl } from './lib/kubernetes.mjs';
import { ROOT, temporaryFolder } from './lib/process.mjs';

const TABLE = JSON.parse(readFileSync(join(ROOT, 'tests/fixtures/scalars.json'), 'utf8'));

/** All of them as members of one map, each behind so many spaces. */
const members = (indent) => TABLE.map(({ written }, index) => `${indent}k${index}:\n${indent}  ${written}\n`).join('');

/** What was made of each, beside what was written. */
const made = (object) => TABLE.map(({ written }, index) => ({ written, becomes: object[`k${index}`] }));
const expected = (reader) => TABLE.map((row) => ({ written: row.written, becomes: row[reader] }));

it('Envoy makes of scalars in a Struct what the table says', async () => {
  const admin = 'admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n';
  const envoy = await Envoy.start(`${admin}node:\n  id: scalars\n  cluster: scalars\n  metadata:\n${members('    ')}`);
  try {
    assert.deepEqual(made(JSON.parse(await envoy.admin('/server_info')).node.metadata), expected('envoy'));
  } finally {
    await envoy.stop();
  }
});

it('kubectl makes of scalars in an object what the table says', () => {
  const file = join(temporaryFolder(), 'object.yaml');
  writeFileSync(file, `apiVersion: example.com/v1\nkind: Scalars\nmetadata: {name: scalars}\nspec:\n${members('  ')}`);
  const run = spawnSync(kubectl(), ['label', '--local', '-f', file, 'a=b', '-o', 'json'], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(made(JSON.parse(run.stdout).spec), expected('kubernetes'));
});
