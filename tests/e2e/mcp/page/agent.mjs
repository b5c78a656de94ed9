// The TypeScript SDK's second generation as a client in a page of a browser. The page's first address names the MCP server (`url`), and where the client's own
// metadata are (`described`). It signs its person in by leaving for the authorization server, comes back to /callback, and shows a note, or what went wrong.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

/** What outlives the way to the authorization server and back. */
const kept = (name) => JSON.parse(sessionStorage.getItem(name)) ?? undefined;
const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

const query = new URLSearchParams(location.search);
const isBack = location.pathname === '/callback';
if (!isBack) keep('settings', Object.fromEntries(query));
const { url, described } = kept('settings');

const redirectUrl = new URL('/callback', location).href;
const authProvider = {
  redirectUrl,
  clientMetadataUrl: described,
  clientMetadata: { client_name: 'a page of the tests', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
  state() {
    keep('state', crypto.randomUUID());
    return kept('state');
  },
  storedState: () => kept('state'),
  clientInformation: () => kept('client'),
  saveClientInformation: (client) => keep('client', client),
  tokens: () => kept('tokens'),
  saveTokens: (tokens) => keep('tokens', tokens),
  codeVerifier: () => kept('verifier'),
  saveCodeVerifier: (verifier) => keep('verifier', verifier),
  discoveryState: () => kept('discovery'),
  saveDiscoveryState: (discovery) => keep('discovery', discovery),
  redirectToAuthorization: (address) => location.assign(address),
};

async function note() {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  if (isBack) {
    if (query.get('state') !== kept('state')) throw new Error('the state is of another sign-in');
    await transport.finishAuth(query);
  }
  const client = new Client({ name: 'page', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(transport);
  const { content } = await client.callTool({ name: 'read_note', arguments: { name: 'welcome' } });
  return content[0].text;
}

const said = await note().catch((error) => (error instanceof UnauthorizedError ? 'The person signs in.' : `${error.name}: ${error.message}`));
document.querySelector('output').textContent = said;
