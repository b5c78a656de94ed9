// The MCP clients of the tests: the program in tests/e2e/mcp that drives each, the Python packages that it needs, and how it finds the version of the protocol
// (`mode`), if not by default. `speaks` is the version that it uses with a server that has both. tests/e2e/mcp pins the versions of the clients themselves.

export const CLIENTS = {
  'TypeScript SDK 1': { program: 'mcp/clients/typescript-1.mjs', speaks: '2025-11-25' },
  'TypeScript SDK 2': { program: 'mcp/clients/typescript-2.mjs', speaks: '2025-11-25' },
  'TypeScript SDK 2, auto': { program: 'mcp/clients/typescript-2.mjs', mode: 'auto', speaks: '2026-07-28' },
  'Python SDK 1': { program: 'mcp/clients/python_1.py', packages: 'mcp/mcp.txt', speaks: '2025-11-25' },
  'Python SDK 2': { program: 'mcp/clients/python_2.py', packages: 'mcp/fastmcp.txt', speaks: '2026-07-28' },
  FastMCP: { program: 'mcp/clients/fast_mcp.py', packages: 'mcp/fastmcp.txt', speaks: '2026-07-28' },
  'AI SDK': { program: 'mcp/clients/ai-sdk.mjs', speaks: '2026-07-28' },
  'mcp-remote': { program: 'mcp/clients/mcp-remote.mjs', speaks: '2025-11-25' },
  Inspector: { program: 'mcp/clients/inspector.mjs', speaks: '2025-11-25' },
  rmcp: { program: 'mcp/rmcp', speaks: '2025-11-25' },
  'rmcp, auto': { program: 'mcp/rmcp', mode: 'auto', speaks: '2026-07-28' },
  'Inspector, modern': { program: 'mcp/clients/inspector.mjs', mode: 'modern', speaks: '2026-07-28' },
};
