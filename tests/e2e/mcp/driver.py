"""What the Python programs in this folder share: settings and commands, lines of JSON on the standard input, and their answers, lines of JSON on the
standard output. A program ends with its input.
"""

import asyncio
import json
import os
import sys
import threading
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit


def read_settings():
    return json.loads(sys.stdin.readline())


def end_with_input():
    """Ends this process when its input ends."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()


class Callback:
    """A listener on the loopback interface that gets the code, and the address that the client shows to a person."""

    def __init__(self, port):
        self.port = port
        redirect_uris = [f"http://127.0.0.1:{port}/callback"]
        self.metadata = {"client_name": "a client of the tests", "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none"}
        self._arrived = asyncio.Queue()

    async def listen(self):
        await asyncio.start_server(self._arrive, "127.0.0.1", self.port)

    async def _arrive(self, reader, writer):
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        if target.startswith("/callback?"):
            await self._arrived.put({name: values[0] for name, values in parse_qs(urlsplit(target).query).items()})

    async def show(self, url):
        with open(os.environ["MCP_VISITS"], "a") as visits:
            print(url, file=visits)

    async def parameters(self):
        return await self._arrived.get()


class Connection:
    """A client's connection, which a task of its own keeps open: so its end, whatever ends it, is known to whoever uses it."""

    _client = None

    async def open(self, enter):
        """Enters the contexts of a client by this function, which gets a stack for them and returns what `use` gives."""
        self._end = asyncio.Event()
        opened = asyncio.get_running_loop().create_future()
        self._kept = asyncio.create_task(self._keep(enter, opened))
        self._client = await self._unless_ended(opened)

    async def _keep(self, enter, opened):
        async with AsyncExitStack() as stack:
            opened.set_result(await enter(stack))
            await self._end.wait()

    async def use(self, function):
        if self._client is None:
            raise ConnectionError("not connected")
        return await self._unless_ended(function(self._client))

    async def _unless_ended(self, work):
        work = asyncio.ensure_future(work)
        await asyncio.wait({work, self._kept}, return_when=asyncio.FIRST_COMPLETED)
        if self._kept.done():
            work.cancel()
            self._kept.result()
            raise ConnectionError("the connection has ended")
        return work.result()

    async def close(self):
        self._end.set()
        await self._kept


class Memory:
    """Where the Python SDK keeps a registration and tokens."""

    def __init__(self, client=None):
        self.client, self.tokens = client, None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def answer(commands):
    """Answers each further line, {command, …}, with {result} or {error}: the functions by command get the rest of the line."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        given = json.loads(line)
        try:
            said = {"result": await commands[given.pop("command")](**given)}
        except BaseException as error:  # groups of exceptions, too
            said = {"error": text_of(error)}
        print(json.dumps(said), flush=True)
    os._exit(0)


def text_of(error):
    parts = getattr(error, "exceptions", ())
    return "; ".join(map(text_of, parts)) if parts else f"{type(error).__name__}: {error}"
