#!/bin/sh
# The browser of a client's machine, named by $BROWSER: it notes the address that it should show, and lib/mcp/client.mjs visits that.
printf '%s\n' "$1" >>"$MCP_VISITS"
