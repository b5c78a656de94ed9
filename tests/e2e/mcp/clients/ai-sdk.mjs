// The client of the AI SDK, @ai-sdk/mcp.

import { auth, createMCPClient } from '@ai-sdk/mcp';
import { answer, settings } from '../driver.mjs';
import { SignIn } from './sign-in.mjs';

const { url, port, registered } = await settings();
const authProvider = new SignIn({ port, registered });
let client;

async function connect() {
  client = await createMCPClient({ transport: { type: 'http', url, authProvider } });
}

const signedIn = (work) =>
  authProvider.during(work, (parameters) => {
    const [code, state, issuer] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
    return auth(authProvider, { serverUrl: url, authorizationCode: code, callbackState: state, callbackIssuer: issuer });
  });

await answer({
  connect: () => signedIn(connect),
  list: async () => (await signedIn(() => client.listTools())).tools.map(({ name }) => name),
  call: async ({ name, given }) => (await signedIn(() => client.callTool({ name, arguments: given }))).content[0].text,
  end: () => client.close(),
});
