"""A mailbox of our own over IMAP (RFC 9051, IDLE), watched in a thread over one connection.

Rules:
1. What fails here is ours: it is our mailbox, not the service that is measured.
2. The socket is ours, so the thread can be ended at any instant by shutting it down: no deadline is outlived.
3. Only messages that came after the mailbox was opened are looked at, and only those of the probe are deleted.
"""

import asyncio
import contextlib
import imaplib
import io
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, TypeVar, cast

import imapclient
import imapclient.exceptions
from pydantic import Field

from probes._classify import failed
from probes._connect import connect_socket
from probes._fields import Port
from probes._outcome import Failed
from probes._received import HEADER_BYTES, Bounce, bounce
from probes._tls import TlsSettings, context
from probes._trace import Trace

T = TypeVar("T")

_IDLE_FIRST_S, _IDLE_S = 1.0, 20.0
_POLL_S = 1.0
# A broken answer makes imaplib and IMAPClient stumble over its parts, so that errors of types belong to it too.
_ERRORS = (
    imapclient.exceptions.IMAPClientError, imaplib.IMAP4.error, OSError, EOFError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError, RecursionError,
)  # fmt: skip


class Imap(TlsSettings):
    """A mailbox where the probe's messages arrive. Without ``tls`` the port decides: 993 implicit, 143 starttls."""

    host: str
    port: Port = 993
    tls: Literal["none", "starttls", "implicit"] | None = None
    username: str
    password: str = Field(repr=False)
    mailbox: str = "INBOX"
    junk: str | None = Field(default=None, description="a folder to look into for the reason, where nothing arrived")
    delete: bool = Field(default=True, description="delete the probe's message once it was found")

    @property
    def encryption(self) -> str:
        """``none``, ``starttls`` or ``implicit``."""
        return self.tls or {993: "implicit", 143: "starttls"}.get(self.port, "none")


class Arrived(NamedTuple):
    """A message of ours that was found: its head; or what a bounce of it says."""

    head: bytes
    bounced: Bounce | None = None


class _Stream(imaplib.IMAP4):
    """imaplib over a socket that is there already."""

    def __init__(self, sock: socket.socket) -> None:
        self._given = sock
        super().__init__("", 0)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._given


class _Client(imapclient.IMAPClient):  # type: ignore[misc]
    """IMAPClient over a socket that is there already."""

    def __init__(self, sock: socket.socket, host: str, timeout: float) -> None:
        self._given = sock
        super().__init__(host, ssl=False, timeout=timeout)

    def _create_IMAP4(self) -> _Stream:  # noqa: N802 - the name that IMAPClient calls
        self.stream = _Stream(self._given)
        return self.stream

    def news(self) -> bool:
        """Whether the server spoke of new messages outside IDLE since the last call (RFC 9051 §7.4.1, EXISTS)."""
        return self.stream.untagged_responses.pop("EXISTS", None) is not None

    def unread(self) -> bool:
        """Whether something came that nobody has read yet: IMAPClient looks at the socket alone, not at what imaplib
        (or TLS) read ahead from it."""
        sock = self.stream.sock
        before = sock.gettimeout()
        sock.setblocking(False)
        try:
            return bool(cast(io.BufferedReader, self.stream.file).peek(1))
        except ssl.SSLWantReadError:
            return False
        finally:
            sock.settimeout(before)


class Mailbox:
    """An open mailbox. Its methods run in its own thread, one after the other."""

    def __init__(self, settings: Imap, sock: socket.socket, deadline: float) -> None:
        self._settings, self._sock, self._deadline = settings, sock, deadline
        self._client: _Client | None = None
        self._next = 0
        self._over = threading.Event()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """TLS, greeting, login, select: after this, what arrives is seen."""
        settings = self._settings
        name = settings.server_name or settings.host.strip("[]")
        left = max(0.1, self._deadline - time.monotonic())
        self._sock.settimeout(left)
        if settings.encryption == "implicit":
            self._sock = context(settings).wrap_socket(self._sock, server_hostname=name)
        client = self._client = _Client(self._sock, name, left)
        if settings.encryption == "starttls":
            client.starttls(context(settings))
            self._sock = client.socket()
        client.login(settings.username, settings.password)
        state = client.select_folder(settings.mailbox)
        self._next = int(state.get(b"UIDNEXT") or 1)

    def wait(self, token: str, until: float) -> Arrived | None:
        """The message that bears the token in its head, or the bounce of it; None where none came until then."""
        client = self._ready()
        idles = client.has_capability("IDLE")
        patience = _IDLE_FIRST_S
        while True:
            client.news()
            if found := self._look(token):
                return found
            left = until - time.monotonic()
            if left <= 0 or self._over.is_set():
                return None
            if idles:
                client.idle()
                # What came between looking and IDLE is told before or with the answer to IDLE, and never again.
                if not client.news() and not client.unread():
                    client.idle_check(timeout=min(left, patience))
                client.idle_done()
                # A server whose word gets lost is asked again, sooner the shorter the wait is.
                patience = min(patience * 2, _IDLE_S)
            else:
                self._over.wait(min(left, _POLL_S))
                client.noop()

    def in_junk(self, token: str) -> bool:
        """Whether the message lies in the folder for junk."""
        if self._settings.junk is None:
            return False
        client = self._ready()
        client.select_folder(self._settings.junk, readonly=True)
        return bool(client.search(["HEADER", "SUBJECT", token]))

    def _ready(self) -> _Client:
        if self._client is None:
            raise EOFError("the mailbox is not open")
        return self._client

    def _look(self, token: str) -> Arrived | None:
        client = self._ready()
        # "n:*" also names the last message where all are older than n (RFC 9051 §9, seq-range).
        fresh = sorted(uid for uid in client.search(["UID", f"{self._next}:*"]) if uid >= self._next)
        for uid in fresh:
            self._next = uid + 1
            raw = self._part(uid, "HEADER")
            if token.encode() in raw:
                self._forget(uid)
                return Arrived(raw)
            if b"report" in raw.lower() or b"mailer-daemon" in raw.lower():
                told = bounce(self._part(uid, ""), token)
                if told is not None:
                    self._forget(uid)
                    return Arrived(raw, told)
        return None

    def _part(self, uid: int, part: str) -> bytes:
        answer: dict[int, dict[bytes, Any]] = self._ready().fetch([uid], [f"BODY.PEEK[{part}]<0.{HEADER_BYTES}>"])
        fields = answer.get(uid, {})
        return next((bytes(value) for key, value in fields.items() if key.startswith(b"BODY[") and value), b"")

    def _forget(self, uid: int) -> None:
        client = self._ready()
        if self._settings.delete:
            client.delete_messages([uid], silent=True)
            # Without UIDPLUS an expunge would remove what others marked as well; then the mark must do.
            if client.has_capability("UIDPLUS"):
                client.uid_expunge([uid])

    # -- from outside ----------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """End the connection, and so whatever the thread waits for."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the socket, in the thread."""
        with contextlib.suppress(*_ERRORS):
            if self._client is not None:
                self._client.shutdown()
        self._sock.close()


class Watch:
    """A mailbox for code with an event loop. Raises Failed (outcome local) whatever goes wrong."""

    def __init__(self, mailbox: Mailbox, worker: ThreadPoolExecutor) -> None:
        self._mailbox, self._worker = mailbox, worker

    async def wait(self, token: str, seconds: float) -> Arrived | None:
        """The message or its bounce, or None after so many seconds."""
        return await self._do("waiting", self._mailbox.wait, token, time.monotonic() + seconds)

    async def in_junk(self, token: str) -> bool:
        """Whether it lies among the junk."""
        return await self._do("looking for junk", self._mailbox.in_junk, token)

    async def open(self) -> None:
        """Log in and select."""
        await self._do("opening", self._mailbox.open)

    async def _do(self, what: str, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
        except ssl.SSLError as error:
            raise _ours(f"TLS: {error.reason or error}", what) from None
        except _ERRORS as error:
            raise _ours(str(error) or type(error).__name__, what) from None


def _ours(error: str, what: str) -> Failed:
    return failed("delivery", "mailbox", "mailbox_failed", f"our own mailbox failed while {what}: {error[:300]}")


@contextlib.asynccontextmanager
async def open_mailbox(trace: Trace, settings: Imap, ip: str) -> AsyncIterator[Watch]:
    """The mailbox, logged in and selected. Raises Failed (outcome local): it is ours."""
    aside = trace.aside()
    try:
        sock = await connect_socket(aside, settings.host, settings.port, ip)
    except Failed as error:
        raise _ours(error.detail, "connecting") from None
    mailbox = Mailbox(settings, sock, time.monotonic() + trace.remaining())
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slaproof-imap")
    watch = Watch(mailbox, worker)
    try:
        await watch.open()
        yield watch
    finally:
        mailbox.cut()
        worker.submit(mailbox.close)
        worker.shutdown(wait=False)
