"""One SMTP session (RFC 5321), over aiosmtplib, step by step: each command a phase, each line in the transcript.

Rules:
1. The socket is ours: name and connection are phases of their own, and nothing is tried twice.
2. What AUTH sends is hidden by its place in the dialogue, not by its look.
3. One way to log in is tried, the strongest that both sides know: a second attempt would hide the failure of the first.
4. What the server does after it did all that was asked (QUIT) is noted and not judged.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse
from pydantic import AfterValidator, Field, model_validator

from probes._classify import failed
from probes._connect import connect_socket, lost, peer_of, tcp_facts
from probes._fields import Port
from probes._outcome import Failed
from probes._smtp_replies import judge
from probes._tls import TlsSettings, context, describe_chain, facts, sent_chain, tls_failed, witness_chain
from probes._trace import Trace

T = TypeVar("T")

_QUIT_S = 0.5
_WITNESS_S = 2.0
_REPLY_SHOWN = 300
_UNSEEN = 8_192
_QUEUE_ID = re.compile(r"queued as ([\w.:/-]+)|\bid=<?([\w.@-]+)|\b(?:message-?id|queue-?id)[:= ]+<?([\w.@-]+)", re.I)
_SESSION_ID = re.compile(r"([\w.-]{8,64}) - gsmtp")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HELO = re.compile(rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Za-z:.]+\])")
_ADDRESS = re.compile(r"[^\s<>\x00-\x1f\x7f@]+@[^\s<>\x00-\x1f\x7f@]+")


def mail_address(value: str) -> str:
    """An address as MAIL and RCPT take it; raises ValueError saying what to write instead."""
    text = value.strip()
    if not _ADDRESS.fullmatch(text) or not text.isascii():
        raise ValueError(f"{value!r} is not a mail address; write one such as probe@example.com")
    return text


def _sender(value: str) -> str:
    return "" if value.strip() in ("", "<>") else mail_address(value)


def _helo(value: str) -> str:
    if not _HELO.fullmatch(value.replace("{id}", "x")):
        raise ValueError(f"{value!r} is not a name for EHLO; write a host name, {{id}}.host.example or an [address]")
    return value


MailAddress = Annotated[str, AfterValidator(mail_address)]
"""A mail address in ASCII."""
Sender = Annotated[str, AfterValidator(_sender)]
"""A mail address, or ``<>`` for the empty sender of bounces."""


class SmtpServer(TlsSettings):
    """How to reach a server that takes mail, and how to log in there.

    Without ``tls`` the port decides: 465 is implicit, 587 starttls, any other none. ``{id}`` in ``helo`` stands for the
    probe's identifier, so that the provider finds the probe in its log.
    """

    host: str
    port: Port = 587
    tls: Literal["none", "starttls", "implicit"] | None = Field(default=None, description="none, starttls or implicit")
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    auth: Literal["auto", "plain", "login", "cram-md5"] = Field(default="auto", description="how to log in")
    helo: Annotated[str, AfterValidator(_helo)] | None = Field(default=None, description="name for EHLO; {id} allowed")

    @model_validator(mode="after")
    def _whole(self) -> "SmtpServer":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; write both or neither")
        return self

    @property
    def encryption(self) -> str:
        """``none``, ``starttls`` or ``implicit``: what was chosen, or what the port means."""
        return self.tls or {465: "implicit", 587: "starttls"}.get(self.port, "none")


def helo_name(template: str | None, probe_id: str) -> str:
    """The name for EHLO: the template's, else one below this host's name, else one that can belong to nobody."""
    label = re.sub(r"[^A-Za-z0-9-]+", "-", probe_id).strip("-")[:50] or "probe"
    if template is not None:
        return template.replace("{id}", label)
    return f"{label}.{_host_name()}"


@cache
def _host_name() -> str:
    host = socket.gethostname()
    return host if "." in host and _HELO.fullmatch(host) else "slaproof.invalid"


class _Protocol(SMTPProtocol):
    """aiosmtplib's protocol that tells the trace what goes over the line."""

    def __init__(self, trace: Trace, **callbacks: Any) -> None:
        super().__init__(**callbacks)
        self._trace = trace
        self._unseen = bytearray()
        self.in_auth = False

    def write(self, data: bytes) -> None:
        if self.in_auth:
            # AUTH and its method may be seen; the initial response and all that follows may not (RFC 4954 §4).
            words = data.split()
            shown = b" ".join(words[:2]) if words[:1] == [b"AUTH"] else b""
            self._trace.sent(shown + (b" " if shown else b"") + b"[credentials]" if len(words) != 2 else shown)
        else:
            self._trace.sent(data)
        super().write(data)

    def data_received(self, data: bytes) -> None:
        if not self._unseen and data.endswith(b"\n"):
            self._trace.received(data)
            super().data_received(data)
            return
        self._unseen += data
        end = self._unseen.rfind(b"\n") + 1
        if end or len(self._unseen) > _UNSEEN:
            self._trace.received(bytes(self._unseen[: end or _UNSEEN]))
            del self._unseen[: end or len(self._unseen)]
        super().data_received(data)

    def flush(self) -> None:
        """Tell the trace of a line that never ended."""
        if self._unseen:
            self._trace.received(bytes(self._unseen))
            self._unseen.clear()


class _Client(aiosmtplib.SMTP):
    """aiosmtplib's client on a socket that is connected already, with the TLS handshake and the banner as phases.

    ``greet`` stands in place of its ``connect``, which does the same without saying how long each step took.
    """

    def __init__(self, trace: Trace, server: SmtpServer) -> None:
        super().__init__(
            hostname=server.server_name or server.host.strip("[]"),
            port=None,
            timeout=None,
            use_tls=server.encryption == "implicit",
            start_tls=False,
            tls_context=context(server) if server.encryption != "none" else None,
        )
        # Set afterwards: it was checked when the configuration was read, and would be again, letter by letter.
        self.local_hostname = helo_name(server.helo, trace.probe_id)
        self._trace, self._server = trace, server
        self.line: _Protocol | None = None

    async def greet(self, sock: socket.socket) -> SMTPResponse:
        """Take the socket, do the handshake where TLS comes first, and read the banner."""
        loop = asyncio.get_running_loop()
        trace = self._trace
        line = self.line = _Protocol(trace, loop=loop, connection_lost_callback=self._on_connection_lost)
        if self.use_tls:
            with trace.phase("tls"):
                transport, _ = await loop.create_connection(
                    lambda: line,
                    sock=sock,
                    ssl=self.tls_context,
                    server_hostname=self.hostname,
                    ssl_handshake_timeout=trace.remaining() + 60,
                )
        else:
            transport, _ = await loop.create_connection(lambda: line, sock=sock)
        self.protocol, self.transport = line, transport
        with trace.phase("banner"):
            response = await line.read_response()
        if response.code != 220:
            raise aiosmtplib.SMTPConnectResponseError(response.code, response.message)
        return response


class Session:
    """A session past EHLO, STARTTLS and AUTH, as far as the settings ask for them."""

    def __init__(self, trace: Trace, client: _Client) -> None:
        self._trace, self._client = trace, client

    @property
    def extensions(self) -> dict[str, str]:
        """What the server offered at its last EHLO, by keyword in small letters."""
        return self._client.esmtp_extensions

    async def mail(self, sender: str, *options: str) -> SMTPResponse:
        """MAIL FROM."""
        return await self._step("mail", "MAIL FROM", self._client.mail(sender, options=options))

    async def rcpt(self, recipient: str) -> SMTPResponse:
        """RCPT TO."""
        return await self._step("rcpt", "RCPT TO", self._client.rcpt(recipient))

    async def rset(self) -> None:
        """RSET: forget sender and recipient, so that no mail is sent."""
        await self._step("rset", "RSET", self._client.rset())

    async def data(self, message: bytes) -> SMTPResponse:
        """DATA and the message: from here on the server has the mail, and says what it calls it."""
        answer = await self._step("data", "DATA", self._client.data(message))
        name_ids(self._trace, answer.message)
        return answer

    async def quit(self) -> None:
        """QUIT; whatever comes of it is noted only (rule 4). What came before was answered as it should be."""
        trace, client = self._trace, self._client
        trace.code = 250
        # Cutting the line ends the wait: cheaper than a timeout of asyncio's.
        cut = asyncio.get_running_loop().call_later(min(_QUIT_S, trace.remaining() * 0.8), self._cut)
        try:
            with trace.phase("quit"):
                await client.quit()
        except (aiosmtplib.SMTPException, OSError) as error:
            trace.note(f"no farewell: {str(error) or type(error).__name__}")
        finally:
            cut.cancel()

    def _cut(self) -> None:
        self._trace.note("no farewell: QUIT was not answered")
        if self._client.transport is not None:
            cast(asyncio.Transport, self._client.transport).abort()

    async def _step(self, phase: str, verb: str, doing: Awaitable[T]) -> T:
        try:
            with self._trace.phase(phase):
                return await doing
        except (aiosmtplib.SMTPException, OSError, EOFError) as error:
            raise _judged(self._trace, phase, verb, error) from None


def _judged(trace: Trace, phase: str, verb: str, error: Exception) -> Failed:
    """The failure that an exception of aiosmtplib (or of the handshake below it) means."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        shown = " ".join(error.message.split())[:_REPLY_SHOWN]
        name_ids(trace, error.message)
        code = error.code if error.code >= 0 else None
        said = f"{verb} was answered {error.code} {shown}" if code is not None else f"{verb}: {shown}"
        if verb == "banner" and code is not None:
            said = f"the server greeted with {error.code} {shown}"
        return failed("smtp", phase, judge(phase, error.code, error.message), said, code=code)
    if isinstance(error, ssl.SSLError):
        return tls_failed(trace, error)
    if isinstance(error.__cause__, OSError):
        return lost(error.__cause__, "smtp", phase)
    if isinstance(error, OSError) and error.errno is not None:
        return lost(error, "smtp", phase)
    if isinstance(error, OSError | EOFError):
        return failed("smtp", phase, "reset", f"the connection was closed by the server, waiting at {verb}")
    return failed("smtp", phase, "unexpected", f"{verb}: {error}")


def name_ids(trace: Trace, message: str) -> None:
    """Keeps what the server calls this exchange, where its reply says so."""
    message = message[:2_000]
    if found := _QUEUE_ID.search(message):
        trace.identify("queue_id", next(group for group in found.groups() if group).rstrip("."))
    if found := _SESSION_ID.search(message):
        trace.identify("session_id", found[1])


@contextlib.asynccontextmanager
async def session(trace: Trace, server: SmtpServer, *, ip: str = "any") -> AsyncIterator[Session]:
    """A session up to EHLO, with STARTTLS and AUTH where the settings ask for them. Raises Failed.

    Phases: resolve, connect, [tls,] banner, ehlo, [tls, ehlo_tls,] [auth]. On the way out the connection is cut;
    who wants to take leave calls ``quit``.
    """
    sock = await connect_socket(trace, server.host, server.port, ip)
    address = peer_of(trace)
    client = _Client(trace, server)
    talk = Session(trace, client)
    try:
        await _greet(trace, client, server, sock, address)
        await talk._step("ehlo", "EHLO", client.ehlo())
        if server.encryption == "starttls":
            await _encrypt(trace, talk, client, server, address)
        trace.witness("ehlo", dict(list(client.esmtp_extensions.items())[:40]))
        if server.username is not None and server.password is not None:
            await _log_in(trace, talk, client, server)
        yield talk
    finally:
        _end(trace, client, sock)


async def _greet(
    trace: Trace, client: _Client, server: SmtpServer, sock: socket.socket, address: tuple[str, int]
) -> None:
    try:
        greeting = await client.greet(sock)
    except ssl.SSLError as error:
        verdict = tls_failed(trace, error)
        if isinstance(error, ssl.SSLCertVerificationError):
            await witness_chain(trace, *address, client.hostname or "")
        raise verdict from None
    except (aiosmtplib.SMTPException, OSError, EOFError) as error:
        encrypted = client.transport is not None or client.line is None or client.line.transport is not None
        phase = "banner" if not client.use_tls or encrypted or trace.last_phase == "banner" else "tls"
        raise _judged(trace, phase, "banner" if phase == "banner" else "the TLS handshake", error) from None
    if client.use_tls:
        _keep_tls(trace, client, server)
    name_ids(trace, greeting.message)
    trace.fact("banner", greeting.message.split("\n")[0][:120])


async def _encrypt(trace: Trace, talk: Session, client: _Client, server: SmtpServer, address: tuple[str, int]) -> None:
    if not client.supports_extension("starttls"):
        raise failed("tls", "tls", "not_offered", f"{server.host} does not offer STARTTLS")
    try:
        with trace.phase("tls"):
            await client.starttls(timeout=trace.remaining() + 60)
    except ssl.SSLError as error:
        verdict = tls_failed(trace, error)
        if isinstance(error, ssl.SSLCertVerificationError):
            await _witness_starttls(trace, client, *address)
        raise verdict from None
    except (aiosmtplib.SMTPException, OSError, EOFError) as error:
        raise _judged(trace, "tls", "STARTTLS", error) from None
    _keep_tls(trace, client, server)
    await talk._step("ehlo_tls", "EHLO after STARTTLS", client.ehlo())


def _keep_tls(trace: Trace, client: _Client, server: SmtpServer) -> None:
    trace.tls = facts(client.get_transport_info("ssl_object"), verified=server.verify)


async def _log_in(trace: Trace, talk: Session, client: _Client, server: SmtpServer) -> None:
    known = ("cram-md5", "plain", "login") if server.auth == "auto" else (server.auth,)
    offered = client.server_auth_methods
    method = next((name for name in known if name in offered), None)
    if method is None:
        names = ", ".join(offered).upper() or "none"
        raise failed(
            "smtp", "auth", "not_offered", f"ways to log in offered: {names}; known: {', '.join(known).upper()}"
        )
    trace.fact("auth_method", method.upper())
    login = {"cram-md5": client.auth_crammd5, "plain": client.auth_plain, "login": client.auth_login}[method]
    line = cast(_Protocol, client.protocol)
    with _hidden(line):
        await talk._step("auth", f"AUTH {method.upper()}", login(server.username or "", server.password or ""))


@contextlib.contextmanager
def _hidden(line: _Protocol) -> Iterator[None]:
    line.in_auth = True
    try:
        yield
    finally:
        line.in_auth = False


def _end(trace: Trace, client: _Client, sock: socket.socket) -> None:
    if client.line is not None:
        client.line.flush()
    transport = client.transport or (client.line.transport if client.line is not None else None)
    if transport is not None:
        if trace.code is None:
            tcp_facts(trace, transport)
        cast(asyncio.Transport, transport).abort()
    client.close()
    # Where no transport took the socket over, nobody else closes it; where one did, this does nothing more.
    if transport is None:
        sock.close()


async def _witness_starttls(trace: Trace, client: _Client, host: str, port: int) -> None:
    """Keeps the chain that the server sends after STARTTLS, from a second session that verifies nothing."""
    try:
        async with asyncio.timeout(min(_WITNESS_S, trace.remaining() * 0.8)):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                for command in (f"EHLO {client.local_hostname}\r\n", "STARTTLS\r\n"):
                    await _reply(reader)
                    writer.write(command.encode())
                await _reply(reader)
                accept_all = context(TlsSettings(verify=False))
                await writer.start_tls(accept_all, server_hostname=client.hostname)
                tls = writer.get_extra_info("ssl_object")
                trace.witness("certificates", describe_chain(sent_chain(tls)))
                trace.tls = facts(tls, verified=False)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError, EOFError) as error:
        trace.note(f"no certificate seen in a second session either: {error or type(error).__name__}")


async def _reply(reader: asyncio.StreamReader) -> None:
    """Passes over one reply, which may have several lines."""
    while True:
        line = await reader.readline()
        if not line:
            raise EOFError("closed")
        if line[3:4] != b"-":
            return
