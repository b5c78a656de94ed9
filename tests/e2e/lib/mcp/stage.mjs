// What tests of MCP clients need, for one `describe`: an authorization server, an MCP server, and a gateway between the clients and that.
//
// Clients that a test starts are stopped after it. After the last test, everything is stopped, and the gateway's log is checked: for panics of the filter, and
// for tokens.

import { after, afterEach, before, beforeEach } from 'node:test';
import { assertNoPanic, assertNotTold } from '../stage.mjs';
import { McpClient } from './client.mjs';
import { CLIENTS } from './clients.mjs';
import { address, startMcpGateway } from './gateway.mjs';
import { Person } from './person.mjs';
import { AuthorizationServer } from './provider.mjs';
import { McpServer } from './server.mjs';

/**
 * To be called inside `describe`; its properties exist when the tests run. `server` is a name of lib/mcp/server.mjs; the authorization server also issues tokens for
 * `further` resources, and may know clients by their metadata (`describes`); the rest is for the gateway.
 */
export function onMcpStage({ server = 'typescript', further = [], describes, ...rest }) {
  const stage = {
    /** Starts the client of this name, with a person who signs in as `login`: {client, person}. It may have a registration, or metadata at this address. */
    async start(name, { login = 'alice', registered, described } = {}) {
      const person = new Person(login, stage.provider);
      const client = await McpClient.start(CLIENTS[name], { url: stage.gateway.resource, person, registered, described });
      clients.push(client);
      return { client, person };
    },
  };
  const clients = [];
  before(async () => {
    const at = await address();
    stage.provider = await AuthorizationServer.start({ resources: [at.resource, ...further], describes });
    stage.server = await McpServer.start(server);
    stage.gateway = await startMcpGateway({ at, provider: stage.provider, server: stage.server, ...rest });
  });
  beforeEach(() => {
    stage.server.forget();
    stage.provider.behave();
  });
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.stop())));
  after(async () => {
    await stage.gateway?.stop();
    await stage.server?.stop();
    await stage.provider?.stop();
    if (!stage.gateway) return;
    assertNoPanic(stage.gateway);
    assertNotTold(stage.gateway, stage.provider.tokens);
  });
  return stage;
}
