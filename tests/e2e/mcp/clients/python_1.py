"""The Python SDK's first generation as a client."""

import asyncio
import os
import sys

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from driver import Callback, Connection, Memory, answer, read_settings  # noqa: E402


async def main():
    settings = read_settings()
    callback = Callback(settings["port"])
    await callback.listen()
    registered = settings.get("registered")

    async def code():
        parameters = await callback.parameters()
        return parameters["code"], parameters.get("state")

    auth = OAuthClientProvider(
        settings["url"],
        OAuthClientMetadata(**callback.metadata),
        Memory(registered and OAuthClientInformationFull(**{**callback.metadata, **registered})),
        callback.show,
        code,
    )
    connection = Connection()

    async def enter(stack):
        http = await stack.enter_async_context(httpx.AsyncClient(auth=auth, follow_redirects=True, timeout=httpx.Timeout(30, read=300)))
        read, write, _ = await stack.enter_async_context(streamable_http_client(settings["url"], http_client=http))
        session = await stack.enter_async_context(ClientSession(read, write))
        await session.initialize()
        return session

    async def list_tools():
        return [tool.name for tool in (await connection.use(lambda client: client.list_tools())).tools]

    async def call(name, given):
        return (await connection.use(lambda client: client.call_tool(name, given))).content[0].text

    await answer({"connect": lambda: connection.open(enter), "list": list_tools, "call": call, "end": connection.close})


asyncio.run(main())
