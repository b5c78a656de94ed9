// mcp-remote, which signs in and carries messages between a server and a program that only speaks to its child: here the TypeScript SDK's client.

import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { answer, settings } from '../driver.mjs';

const { url, port, registered } = await settings();
const program = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'));
const known = registered ? ['--static-oauth-client-info', JSON.stringify(registered)] : [];
let client;

await answer({
  async connect() {
    client = new Client({ name: 'behind-mcp-remote', version: '1.0.0' });
    const words = [program, url, String(port), '--host', '127.0.0.1', ...known];
    await client.connect(new StdioClientTransport({ command: process.execPath, args: words, env: process.env, stderr: 'inherit' }));
  },
  list: async () => (await client.listTools()).tools.map(({ name }) => name),
  call: async ({ name, given }) => (await client.callTool({ name, arguments: given })).content[0].text,
  end: () => client.close(),
});
