"""The MCP server of the tests, by the Python SDK: the same notes. It speaks 2026-07-28, and 2025-11-25 with sessions.

It decides nothing: whoever reaches it may do everything.
"""

import asyncio
import os
import sys

import uvicorn
from mcp.server import MCPServer

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from driver import end_with_input, read_settings  # noqa: E402

NOTES = {"welcome": "Welcome to the notes."}
server = MCPServer("notes", log_level="WARNING")


@server.tool()
def read_note(name: str) -> str:
    """Reads a note"""
    return NOTES.get(name, f"There is no note {name}.")


@server.tool()
def write_note(name: str, text: str) -> str:
    """Writes a note"""
    NOTES[name] = text
    return f"Wrote {name}."


@server.tool()
def delete_note(name: str) -> str:
    """Deletes a note"""
    return f"Deleted {name}." if NOTES.pop(name, None) else f"There is no note {name}."


class Announcing(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("ready", flush=True)


async def main():
    end_with_input()
    await Announcing(uvicorn.Config(server.streamable_http_app(), "127.0.0.1", settings["port"], log_level="warning")).serve()


settings = read_settings()
asyncio.run(main())
