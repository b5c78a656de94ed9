// The MCP Inspector's command line. Each command is a process of its own, which keeps the registration and the tokens in a file.

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { answer, settings } from '../driver.mjs';

const { url, port, registered, mode } = await settings();
const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/inspector/clients/cli/build/index.js'));
const era = mode ? ['--protocol-era', mode] : [];
const known = registered ? ['--client-id', registered.client_id] : [];
const always = ['--server-url', url, '--transport', 'http', '--callback-url', `http://127.0.0.1:${port}/oauth/callback`, '--format', 'json', ...era, ...known];

async function inspect(...words) {
  const running = spawn(process.execPath, [program, ...always, ...words], {
    env: { ...process.env, MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // Whether it may ask for more scopes.
  running.stdin.on('error', () => {}).end('y\n');
  process.once('exit', () => running.kill());
  const ended = new Promise((resolve, reject) => running.on('error', reject).on('close', resolve));
  const [code, said, complaint] = await Promise.all([ended, text(running.stdout), text(running.stderr)]);
  process.stderr.write(complaint);
  if (code !== 0) throw new Error(`${code}: ${complaint}`);
  return JSON.parse(said).result;
}

await answer({
  connect: async () => {},
  list: async () => (await inspect('--method', 'tools/list')).tools.map(({ name }) => name),
  call: async ({ name, given }) => (await inspect('--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(given))).content[0].text,
  end: async () => {},
});
