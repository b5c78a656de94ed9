// The TypeScript SDK's second generation as a client. `mode` is how it finds the version of the protocol: without it, the client speaks 2025-11-25.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { answer, settings } from '../driver.mjs';
import { SignIn } from './sign-in.mjs';

const { url, port, registered, described, mode } = await settings();
const authProvider = new SignIn({ port, registered, described });
let client, transport;

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  client = new Client({ name: 'typescript-2', version: '1.0.0' }, mode && { versionNegotiation: { mode } });
  await client.connect(transport);
}

const signedIn = (work) => authProvider.during(work, (parameters) => transport.finishAuth(parameters));

await answer({
  connect: () => signedIn(connect),
  list: async () => (await signedIn(() => client.listTools())).tools.map(({ name }) => name),
  call: async ({ name, given }) => (await signedIn(() => client.callTool({ name, arguments: given }))).content[0].text,
  end: () => client.close(),
});
