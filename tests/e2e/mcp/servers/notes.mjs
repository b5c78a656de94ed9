// The notes that the MCP servers in JavaScript share, and what their tools do.

export const NOTES = new Map([['welcome', 'Welcome to the notes.']]);

const text = (more = {}) => ({ type: 'string', ...more });
const object = (required, optional = {}) => ({ type: 'object', properties: { ...required, ...optional }, required: Object.keys(required) });

/** The tools, with JSON schemas of their arguments. A client of 2026-07-28 sends `region` as a header, too. */
export const TOOLS = [
  {
    name: 'read_note',
    description: 'Reads a note',
    inputSchema: object({ name: text() }, { region: text({ 'x-mcp-header': 'Region' }) }),
    run: ({ name }) => NOTES.get(name) ?? `There is no note ${name}.`,
  },
  {
    name: 'write_note',
    description: 'Writes a note',
    inputSchema: object({ name: text(), text: text() }),
    run: (given) => (NOTES.set(given.name, given.text), `Wrote ${given.name}.`),
  },
  {
    name: 'delete_note',
    description: 'Deletes a note',
    inputSchema: object({ name: text() }),
    run: ({ name }) => (NOTES.delete(name) ? `Deleted ${name}.` : `There is no note ${name}.`),
  },
];
