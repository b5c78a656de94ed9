// The MCP server of the tests, by the TypeScript SDK: notes that can be read, written and deleted. It speaks 2026-07-28, and 2025-11-25 without sessions. It
// decides nothing: whoever reaches it may do everything.

import http from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler, fromJsonSchema } from '@modelcontextprotocol/server';
import { NOTES, TOOLS } from './notes.mjs';
import { ready, settings } from '../driver.mjs';

const { port } = await settings();

function notesServer() {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  for (const { name, description, inputSchema, run } of TOOLS)
    server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, async (given) => ({ content: [{ type: 'text', text: run(given) }] }));
  server.registerResource('welcome', 'note://welcome', { mimeType: 'text/plain' }, async ({ href: uri }) => ({
    contents: [{ uri, text: NOTES.get('welcome') }],
  }));
  return server;
}

const handle = toNodeHandler(createMcpHandler(notesServer, { onerror: (error) => console.error(error.message) }));
http.createServer((request, response) => void handle(request, response)).listen(port, '127.0.0.1', ready);
