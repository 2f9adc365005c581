"""What every provider of the sandbox has in common: a listener that can be taken away, and the faults of the line."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct

from monitor.sandbox.script import Fault

log = logging.getLogger(__name__)

_RST = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends RST instead of FIN."""


class Provider:
    """A server on one loopback port. Subclasses speak a protocol in `serve`.

    `tls` wraps the whole connection; a protocol that begins plain and upgrades leaves it None and keeps its context.
    """

    def __init__(
        self, name: str, port: int, *, tls: ssl.SSLContext | None = None, bad_tls: ssl.SSLContext | None = None
    ) -> None:
        self.name = name
        self.port = port
        self.fault: Fault | None = None
        self._tls = tls
        self._bad_tls = bad_tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speaks the protocol with one client."""
        raise NotImplementedError

    async def play(self, fault: Fault | None) -> None:
        """Shows this fault from now on; None: works. Sessions under way are broken off, as in a real change."""
        if fault == Fault.BAD_CERTIFICATE and self._bad_tls is None:
            fault = Fault.REFUSE
        self.fault = fault
        await self.close()
        if fault != Fault.REFUSE:
            await self.listen()

    async def listen(self) -> None:
        """Opens the port; port 0 becomes the one that the system gave. Raises OSError where it is taken."""
        tls = self._bad_tls if self.fault == Fault.BAD_CERTIFICATE else self._tls
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=tls, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Closes the port and every session."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._session(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.fault == Fault.SILENCE:
                while await reader.read(4096):
                    pass
            elif self.fault == Fault.DRIP:
                while not writer.is_closing():
                    writer.write(self.drip())
                    await writer.drain()
                    await asyncio.sleep(1)
            elif self.fault == Fault.RESET:
                await reader.read(1)
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                writer.transport.abort()
            else:
                await self.serve(reader, writer)
                with contextlib.suppress(OSError):
                    await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            log.debug("sandbox %s: session ended: %s", self.name, error)
        except asyncio.CancelledError:
            # Only `close` cancels a session, and it waits for it: nothing is owed to the client any more.
            writer.transport.abort()
        finally:
            writer.close()

    def drip(self) -> bytes:
        """The byte that a dripping server of this protocol sends."""
        return b"H"


class Port(Provider):
    """Accepts and closes: a reference host."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Nothing to say."""
