// An MCP server made with an SDK, in a process of its own, behind a recorder: so a test sees every request that reached it, and can show that none did.

import http from 'node:http';
import { Driver, commandOf } from '../driver.mjs';
import { closeServer, freePort, listen } from '../process.mjs';

/** The servers, by name: their programs, and the packages of those in Python. Each has the tools read_note, write_note and delete_note at /mcp. */
const PROGRAMS = {
  typescript: ['mcp/servers/typescript.mjs'],
  'typescript with sessions': ['mcp/servers/sessions.mjs'],
  python: ['mcp/servers/python.py', 'mcp/fastmcp.txt'],
};

export class McpServer {
  #driver;
  #recorder;
  #port;

  /** What arrived, in order: {method, path, headers, rawHeaders, body, status}; `body` is a text. */
  requests = [];

  static async start(name) {
    const server = new McpServer();
    server.#port = await freePort();
    server.#driver = new Driver(commandOf(...PROGRAMS[name]), { port: server.#port });
    server.#recorder = http.createServer((request, response) => server.#record(request, response));
    server.port = await listen(server.#recorder, await freePort());
    await server.#driver.ready(`the MCP server ${name}`).catch(async (error) => {
      await closeServer(server.#recorder);
      throw error;
    });
    return server;
  }

  #record(request, response) {
    const { method, url: path, headers, rawHeaders } = request;
    const received = { method, path, headers, rawHeaders, body: '' };
    this.requests.push(received);
    const onward = http.request({ host: '127.0.0.1', port: this.#port, method, path, headers: { ...headers, host: `127.0.0.1:${this.#port}` } });
    onward.once('response', (answered) => {
      received.status = answered.statusCode;
      response.writeHead(answered.statusCode, answered.headers);
      response.flushHeaders();
      answered.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => (received.body = Buffer.concat(parts).toString()));
    request.pipe(onward);
  }

  /** The JSON-RPC messages that arrived, with the request that brought each. */
  messages() {
    return this.requests.filter(({ body }) => body !== '').map((request) => ({ request, ...JSON.parse(request.body) }));
  }

  /** The calls of a tool that arrived. */
  calls(tool) {
    return this.messages().filter(({ method, params }) => method === 'tools/call' && params.name === tool);
  }

  forget() {
    this.requests.length = 0;
  }

  async stop() {
    await this.#driver.stop();
    await closeServer(this.#recorder);
  }
}
