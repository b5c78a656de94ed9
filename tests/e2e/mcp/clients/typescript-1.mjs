// The TypeScript SDK's first generation as a client.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { answer, settings } from '../driver.mjs';
import { SignIn } from './sign-in.mjs';

const { url, port, registered, described } = await settings();
const authProvider = new SignIn({ port, registered, described });
let client, transport;

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  client = new Client({ name: 'typescript-1', version: '1.0.0' });
  await client.connect(transport);
}

const signedIn = (work) => authProvider.during(work, (parameters) => transport.finishAuth(parameters.get('code')));

await answer({
  connect: () => signedIn(connect),
  list: async () => (await signedIn(() => client.listTools())).tools.map(({ name }) => name),
  call: async ({ name, given }) => (await signedIn(() => client.callTool({ name, arguments: given }))).content[0].text,
  end: () => client.close(),
});
