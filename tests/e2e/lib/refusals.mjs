// Finds out whether the filter accepts a configuration, without Envoy: by examples/refusals.rs, which is the filter's own reader, built by cargo for this
// machine.
//
// It reads what Envoy would pass to the filter: a text, or the wire form of a Struct. It cannot show how Envoy passes it, and what Envoy does after a refusal.

import { spawnSync } from 'node:child_process';
import { configurationOf, pluginOf } from './gateway.mjs';
import { ROOT } from './process.mjs';

/** Why each configuration is refused, or null: [{text or fields, environment}] → [text or null]. */
export function refusalsOf(configurations) {
  const input = configurations.map((each) => `${JSON.stringify(each)}\n`).join('');
  const run = spawnSync('cargo', ['run', '--quiet', '--locked', '--example', 'refusals'], { cwd: ROOT, input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.status !== 0) throw new Error(`cargo run --example refusals: ${run.error?.message ?? run.stderr.slice(-2000)}`);
  const answers = run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  if (answers.length !== configurations.length) throw new Error(`asked about ${configurations.length} configurations, and had ${answers.length} answers`);
  return answers;
}

/** Why the filter's configuration in a bootstrap's first listener is refused, or null. It gets those variables of `environment` that the plugin lists. */
export function refusalIn(
  {
    static_resources: {
      listeners: [listener],
    },
  },
  environment,
) {
  const plugin = pluginOf(listener);
  const handedOn = plugin.vm_config.environment_variables.host_env_keys.map((name) => [name, environment[name]]);
  return refusalsOf([{ fields: configurationOf(plugin), environment: Object.fromEntries(handedOn) }])[0];
}
