// What the Envoy under test does differently from others, and that it is what lib/differences.mjs promises of its version. Only here a version number decides
// what is expected. Every other test asks the Envoy.
//
// So this file is the first to run on an Envoy of another version, also on one that cannot run Accredit at all.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { DIFFERENCES, assertLacks, assertTaken, has, neededBy } from './lib/differences.mjs';
import { validate } from './lib/envoy.mjs';
import { newKey } from './lib/gateway.mjs';
import { ROOT, envoyPath } from './lib/process.mjs';

/** The version that the Envoy under test names. */
const [VERSION] = /(?<=\/)\d+\.\d+\.\d+(?=[/-])/.exec(execFileSync(envoyPath(), ['--version'], { encoding: 'utf8' }));
const SECRETS = { OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: newKey(), SESSION_JWT_SECRET: newKey() };

/** Whether a version is another one or a later one. */
function isSince(version, since) {
  const [ours, theirs] = [version, since].map((text) => text.split('.').map(Number));
  const at = ours.findIndex((part, place) => part !== theirs[place]);
  return at === -1 || ours[at] > theirs[at];
}

describe(`Envoy ${VERSION}`, () => {
  it('is compared with other versions by number, not by text', () => {
    const pairs = [
      ['1.40.0', '1.40.0'],
      ['1.40.0', '1.39.3'],
      ['1.100.0', '1.40.0'],
      ['2.0.0', '1.40.0'],
    ];
    for (const [one, other] of pairs) assert.deepEqual([isSince(one, other), one === other || !isSince(other, one)], [true, true], `${one} ${other}`);
  });

  for (const [name, { what, since, lacking = [] }] of Object.entries(DIFFERENCES)) {
    const expected = isSince(VERSION, since) && !lacking.includes(VERSION);
    it(`${expected ? 'has' : 'lacks'} ${what}`, async () => {
      if (expected) assert.equal(await has(name), true);
      else await assertLacks(name);
    });
  }
});

describe('a shipped file', () => {
  for (const file of readdirSync(join(ROOT, 'envoy'))) {
    const text = readFileSync(join(ROOT, 'envoy', file), 'utf8');
    const withLimit = text.replace(/^# (?=memory_allocator_manager: )/m, '');
    // The other files have the same comment.
    for (const [what, one] of [['as it is', text], ...(file === 'bff.yaml' ? [['with the memory limit of its comment', withLimit]] : [])]) {
      it(`is taken by every Envoy that has what it needs, and by no other: ${file}, ${what}`, async () => {
        const bootstrap = parse(one, { merge: true });
        await assertTaken(await validate(bootstrap, { environment: SECRETS }), bootstrap);
      });
    }

    it(`has a comment with the memory limit, and needs nothing that older Envoys lack but for MCP: ${file}`, () => {
      assert.notEqual(withLimit, text);
      const [plain, limited] = [text, withLimit].map((one) => neededBy(parse(one, { merge: true })));
      assert.deepEqual(
        limited.filter((name) => !plain.includes(name)),
        ['soft_memory_limit'],
      );
      const mcp = Object.keys(DIFFERENCES).filter((name) => name.startsWith('mcp_'));
      assert.deepEqual(plain, ['webassembly', ...(file === 'mcp-server.yaml' ? mcp : [])]);
    });
  }
});
