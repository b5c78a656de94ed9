// An MCP server for the demo and the end-to-end tests, made with the TypeScript SDK: notes that can be read, written and deleted, by clients of 2026-07-28 and
// of 2025-11-25. It has no code for tokens, scopes or groups: the gateway decides who may call what, and says in a header who calls.
import { createServer } from 'node:http';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';

const MOST = 100; // notes
const NAME = { type: 'string', minLength: 1, maxLength: 100 };

/** The tools: `run` gets the notes, what a client sent, and who calls; it returns a text for that person. */
const TOOLS = {
  read_note: {
    description: 'Reads a note',
    given: { name: NAME },
    run(notes, { name }) {
      const note = notes.get(name);
      return note ? `${note.text} (${note.by})` : `There is no note ${name}.`;
    },
  },
  write_note: {
    description: 'Writes a note',
    given: { name: NAME, text: { type: 'string', maxLength: 100_000 } },
    run(notes, { name, text }, by) {
      if (!notes.has(name) && notes.size >= MOST) return `There are ${MOST} notes already.`;
      notes.set(name, { text, by });
      return `Wrote ${name}.`;
    },
  },
  delete_note: {
    description: 'Deletes a note',
    given: { name: NAME },
    run: (notes, { name }) => (notes.delete(name) ? `Deleted ${name}.` : `There is no note ${name}.`),
  },
};

/** `port: 0` chooses a free port. `onRequest` is called for every request that arrives. The path is /mcp. */
export async function startNotes({ port = 9100, host = '127.0.0.1', onRequest = () => {} } = {}) {
  const notes = new Map([['welcome', { text: 'Welcome to the notes.', by: 'the server' }]]);
  const handle = toNodeHandler(createMcpHandler(({ requestInfo }) => notesServer(notes, requestInfo)));
  // Against DNS rebinding: this server answers to no name but its own, which Envoy writes into the request.
  const isForUs = localhostHostValidation();
  const server = createServer((request, response) => {
    onRequest(request);
    if (!isForUs(request, response)) return;
    if (request.url.split('?', 1)[0] === '/mcp') return void handle(request, response);
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"there is nothing here"}\n');
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: server.address().port,
    notes,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** Serves one request; the gateway says whose it is. */
function notesServer(notes, request) {
  const caller = request?.headers.get('x-forwarded-user');
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  for (const [name, { description, given, run }] of Object.entries(TOOLS)) {
    const inputSchema = fromJsonSchema({ type: 'object', properties: given, required: Object.keys(given) });
    server.registerTool(name, { description, inputSchema }, async (values) => ({ content: [{ type: 'text', text: run(notes, values, caller) }] }));
  }
  return server;
}
