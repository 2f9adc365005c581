"""Our own receiving SMTP (aiosmtpd): a port where the probe's messages arrive, shared by all probes that name it.

Rules:
1. It listens only while a probe waits. What comes later is refused, tried again by its sender, and taken then.
2. It takes mail only for the addresses that somebody waits for; it relays nothing and keeps nothing.
3. What fails here is ours.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import Field, model_validator

from probes._classify import failed
from probes._fields import LocalFile, Port, Settings
from probes._pem import CertificateFile, key_of, no_passphrase
from probes._received import Bounce, bounce

_MOST_BYTES = 1 << 20
_MOST_CONNECTIONS = 100


class Listen(Settings):
    """Where to receive: the provider's message must be able to reach this address (an MX record points to it)."""

    host: str = Field(default="127.0.0.1", description="the address to listen on; 0.0.0.0 or :: for all")
    port: Port = 25
    certificate: CertificateFile | None = Field(default=None, description="a chain in PEM; offers STARTTLS")
    key: Annotated[LocalFile, key_of("certificate")] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Listen":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; write both or neither")
        return self


class _Handler:
    """aiosmtpd's hooks (their names are its own)."""

    def __init__(self, port: "_Port") -> None:
        self._port = port

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower() not in self._port.expected.values():
            return "550 5.1.1 nobody of that name waits for mail here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        peer = session.peer[0] if isinstance(session.peer, tuple) else ""
        self._port.arrived(content, str(peer), session.host_name or "")
        return "250 2.0.0 Ok: taken"


class _Port:
    """One listening port and those who wait there: token to recipient, token to what came."""

    def __init__(self) -> None:
        self.expected: dict[str, str] = {}
        self.found: dict[str, asyncio.Future[tuple[bytes, Bounce | None]]] = {}
        self.server: asyncio.Server | None = None
        self.opening = asyncio.Lock()
        self.sessions: set[asyncio.BaseTransport] = set()

    def arrived(self, content: bytes, peer: str, name: str) -> None:
        head = content.split(b"\r\n\r\n", 1)[0]
        for token, future in self.found.items():
            told = None if token.encode() in head else bounce(content[:65_536], token)
            if not future.done() and (token.encode() in head or told is not None):
                future.set_result((f"X-Received-From: {name} [{peer}]\r\n".encode() + head, told))


_ports: dict[tuple[asyncio.AbstractEventLoop, str, int, Path | None], _Port] = {}


class _Smtp(SMTP):
    """aiosmtpd's protocol, known to its port so that it can be cut, and never too many."""

    def __init__(self, port: _Port, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            _Handler(port),
            hostname="slaproof.invalid",
            ident="slaproof",
            data_size_limit=_MOST_BYTES,
            tls_context=tls,
            timeout=60,
            loop=asyncio.get_running_loop(),
        )
        self._known = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._known.sessions) >= _MOST_CONNECTIONS and isinstance(transport, asyncio.Transport):
            transport.abort()
        self._known.sessions.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            self._known.sessions.discard(self.transport)
        super().connection_lost(error)


@contextlib.asynccontextmanager
async def receiving(
    settings: Listen, recipient: str, token: str
) -> AsyncIterator[asyncio.Future[tuple[bytes, Bounce | None]]]:
    """A future for the message with this token: its head, and what it says if it is a bounce. Raises Failed."""
    loop = asyncio.get_running_loop()
    key = (loop, settings.host, settings.port, settings.certificate)
    port = _ports.get(key)
    if port is None:
        port = _ports[key] = _Port()
    future: asyncio.Future[tuple[bytes, Bounce | None]] = loop.create_future()
    port.expected[token], port.found[token] = recipient.lower(), future
    try:
        async with port.opening:
            if port.server is None:
                await _listen(port, settings)
        yield future
    finally:
        del port.expected[token], port.found[token]
        future.cancel()
        if not port.found:
            _ports.pop(key, None)
            if port.server is not None:
                port.server.close()
            for transport in list(port.sessions):
                if isinstance(transport, asyncio.Transport):
                    transport.abort()


async def _listen(port: _Port, settings: Listen) -> None:
    tls = None
    if settings.certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(settings.certificate, settings.key, no_passphrase)
    try:
        # Listening in a step of its own: whoever is cancelled in it has the server, and closes it.
        port.server = await asyncio.get_running_loop().create_server(
            lambda: _Smtp(port, tls), settings.host, settings.port, start_serving=False
        )
        await port.server.start_serving()
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise failed(
            "delivery", "mailbox", "mailbox_failed", f"cannot listen on {where}: {error.strerror or error}"
        ) from None
