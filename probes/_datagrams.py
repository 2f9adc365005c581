"""Sockets for dnspython that are ours, so that whoever is cancelled leaves none of them open.

uvloop forgets a datagram endpoint that is cancelled while it is made: its descriptor stays open for good, and the loop
cannot be closed. A plain socket needs no making, and less work.
"""

import asyncio
import socket
from typing import Any

import dns.asyncbackend
import dns.exception


class _Datagrams(dns.asyncbackend.DatagramSocket):  # type: ignore[name-defined,misc]
    """A UDP socket as dnspython wants it. Nothing is connected: it compares by itself who answers."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, socket.SOCK_DGRAM)
        self._sock = sock

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        try:
            return self._sock.sendto(what, destination)
        except BlockingIOError:
            return len(what)  # as if it were lost on the way: dnspython asks again

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return self._sock.recvfrom(size)
                    except BlockingIOError:
                        await self._readable()
        except TimeoutError:
            raise dns.exception.Timeout(timeout=timeout) from None  # type: ignore[no-untyped-call]

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._sock, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._sock)

    async def close(self) -> None:
        self._sock.close()

    async def getpeername(self) -> Any:
        return self._sock.getpeername()

    async def getsockname(self) -> Any:
        return self._sock.getsockname()


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Backend(dns.asyncbackend.Backend):  # type: ignore[name-defined,misc]
    """asyncio for dnspython, with datagrams of our own."""

    def __init__(self) -> None:
        self._usual: Any = dns.asyncbackend.get_backend("asyncio")

    def name(self) -> str:
        return "asyncio"

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> Any:
        if socktype != socket.SOCK_DGRAM:
            return await self._usual.make_socket(
                af, socktype, proto, source, destination, timeout, ssl_context, server_hostname
            )
        sock = socket.socket(af, socktype | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, proto)
        if source is not None:
            sock.bind(source)
        return _Datagrams(sock)

    async def sleep(self, interval: float) -> None:
        await asyncio.sleep(interval)

    async def wait_for(self, awaitable: Any, timeout: float | None) -> Any:
        return await self._usual.wait_for(awaitable, timeout)


BACKEND = Backend()
