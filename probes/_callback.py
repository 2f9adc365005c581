"""A small HTTP server that waits for receipts: gateways call it when a message was delivered.

It lives while a probe waits. Probes that wait at the same address at the same time share one server, and a call goes
to the probe whose token it bears.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes._classify import failed

_HEAD, _BODY, _PATIENCE_S = 16_384, 65_536, 5.0


class _Server:
    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Queue[str]] = {}
        self.server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                known = self._give(await _request(reader))
                status = "200 OK" if known else "404 Not Found"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".encode())
                await writer.drain()
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    def _give(self, call: str) -> bool:
        for token, queue in self.waiting.items():
            if token in call:
                queue.put_nowait(call)
                return True
        return False


async def _request(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = 0
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            length = int(value)
    if not 0 <= length <= _BODY:
        raise ValueError("too long")
    body = (await reader.readexactly(length)).decode("utf-8", "replace")
    return f"{head.partition(chr(13))[0]}\n{body}"


_servers: dict[tuple[int, str], _Server] = {}


@asynccontextmanager
async def calls(listen: str, token: str) -> AsyncIterator["asyncio.Queue[str]"]:
    """The calls (request line and body) that bear ``token``, while the context lasts. Raises Failed (local)."""
    key = (id(asyncio.get_running_loop()), listen)
    shared = _servers.setdefault(key, _Server())
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=0)
    shared.waiting[token] = queue
    try:
        if shared.server is None:
            host, _, port = listen.rpartition(":")
            try:
                shared.server = await asyncio.start_server(shared.serve, host.strip("[]"), int(port), limit=_HEAD)
            except OSError as error:
                seen = f"cannot listen on {listen}: {error.strerror or error}"
                raise failed("sms", "receipt", "listen", seen) from None
        yield queue
    finally:
        shared.waiting.pop(token, None)
        if not shared.waiting:
            _servers.pop(key, None)
            if shared.server is not None:
                shared.server.close()
            for writer in tuple(shared.writers):
                writer.transport.abort()
