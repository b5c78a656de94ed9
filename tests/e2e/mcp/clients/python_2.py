"""The Python SDK's second generation as a client."""

import asyncio
import os
import sys

from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from driver import Callback, Connection, Memory, answer, read_settings  # noqa: E402


async def main():
    settings = read_settings()
    callback = Callback(settings["port"])
    await callback.listen()
    registered = settings.get("registered")

    async def code():
        parameters = await callback.parameters()
        return AuthorizationCodeResult(code=parameters["code"], state=parameters.get("state"), iss=parameters.get("iss"))

    auth = OAuthClientProvider(
        settings["url"],
        OAuthClientMetadata(**callback.metadata),
        Memory(registered and OAuthClientInformationFull(**{**callback.metadata, **registered})),
        callback.show,
        code,
        client_metadata_url=settings.get("described"),
    )
    connection = Connection()

    async def enter(stack):
        http = await stack.enter_async_context(create_mcp_http_client(auth=auth))
        return await stack.enter_async_context(Client(streamable_http_client(settings["url"], http_client=http)))

    async def list_tools():
        return [tool.name for tool in (await connection.use(lambda client: client.list_tools())).tools]

    async def call(name, given):
        return (await connection.use(lambda client: client.call_tool(name, given))).content[0].text

    await answer({"connect": lambda: connection.open(enter), "list": list_tools, "call": call, "end": connection.close})


asyncio.run(main())
