"""The client of FastMCP, which opens the person's browser and listens for the code itself."""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.auth import OAuth

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from driver import Connection, answer, read_settings  # noqa: E402


async def main():
    settings = read_settings()
    registered = settings.get("registered") or {}
    auth = OAuth(callback_port=settings["port"], callback_host="127.0.0.1", client_id=registered.get("client_id"))
    connection = Connection()

    async def enter(stack):
        return await stack.enter_async_context(Client(settings["url"], auth=auth))

    async def list_tools():
        return [tool.name for tool in await connection.use(lambda client: client.list_tools())]

    async def call(name, given):
        return (await connection.use(lambda client: client.call_tool(name, given))).content[0].text

    await answer({"connect": lambda: connection.open(enter), "list": list_tools, "call": call, "end": connection.close})


asyncio.run(main())
