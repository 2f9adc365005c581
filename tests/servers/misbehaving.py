"""A server with one misbehaviour: TCP or TLS, any of `tests.servers.protocols`, and for DNS also UDP on the same port.

    with Misbehaving("http", "drip") as server: ...
    with Misbehaving("smtp", "close", at=3) as server: ...          # instead of answer 3 (counted from 0)
    with Misbehaving("http", "cert_expired", tls=True) as server: ...
    with Misbehaving("smtp", "well", instead={3: b"450 4.2.0 later\\r\\n"}) as server: ...

It works in threads of its own, so it serves tests with and without an event loop. What clients did is kept in
``connections`` and ``requests``: a probe that tries twice in secret is seen there.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Self

from tests.servers import HOST, free_port
from tests.servers.certs import BAD, Authority, Pair, authority
from tests.servers.protocols import PROTOCOLS, Dns, Http, Session, http_head

# What can go wrong, by name. Where "at" matters, the answers before it are as they should be.
BEHAVIOURS: dict[str, str] = {
    "well": "everything is as it should be",
    "refuse": "nothing listens on the port",
    "silent": "accepts, and says nothing from answer `at` on, nor a TLS handshake (at=0)",
    "mute": "does the TLS handshake, and says nothing from answer `at` on",
    "drip": "every answer from `at` on comes a byte at a time, every `pause` seconds",
    "close": "closes the connection instead of answer `at`",
    "reset": "resets the connection (RST) instead of answer `at`",
    "truncate": "closes the connection before answer `at` is complete (HTTP: within the body)",
    "garbage": "answer `at` is random bytes (always the same), then silence",
    "garbage_close": "answer `at` is random bytes (always the same), then the end of the connection",
    "endless": "answer `at` never ends",
    "gzip_bomb": "HTTP: a small body that unpacks to 4 GiB",
    "half_open": "takes the request and is gone without a word, as after a power cut, from answer `at` on",
    "half_closed": "ends its own direction instead of answer `at` and goes on to read",
    "late": "answer `at` comes after `delay` seconds",
    "not_tls": "answers the TLS handshake in plain text",
    "close_in_tls": "closes the connection in the middle of the TLS handshake",
    "reset_in_tls": "resets the connection in the middle of the TLS handshake",
    **{f"cert_{fault}": f"presents a certificate with this fault: {fault.replace('_', ' ')}" for fault in BAD},
}
_TLS_ONLY = {"not_tls", "close_in_tls", "reset_in_tls", *(name for name in BEHAVIOURS if name.startswith("cert_"))}


def behaviours(protocol: str, *, tls: bool = False) -> Iterator[tuple[str, int]]:
    """Every (behaviour, at) that makes sense for this protocol, for ``pytest.mark.parametrize``."""
    answers = range(len(PROTOCOLS[protocol]().ANSWERS))
    encrypted = tls or protocol == "smtp_starttls"
    for name in BEHAVIOURS:
        if name in _TLS_ONLY and not encrypted:
            continue
        if name == "gzip_bomb" and protocol != "http":
            continue
        if name in ("refuse", "gzip_bomb", "silent", "drip", "well", *_TLS_ONLY):
            yield name, 0
        else:
            for at in answers:
                yield name, at


class Misbehaving:
    """A server on 127.0.0.1 (``port``) that does everything well but one thing.

    ``tls`` wraps every connection from the start. ``pair`` is the certificate where the behaviour does not choose it.
    ``instead`` replaces single answers by their number, and ``replies`` by the beginning of the request (any case).
    """

    def __init__(
        self,
        protocol: str | Callable[[], Session],
        behaviour: str = "well",
        *,
        at: int = 0,
        tls: bool = False,
        delay: float = 2.0,
        pause: float = 1.0,
        instead: Mapping[int, bytes] | None = None,
        replies: Mapping[bytes, bytes] | None = None,
        pair: Pair | None = None,
        ca: Authority | None = None,
        host: str = HOST,
    ) -> None:
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {behaviour}")
        self._session = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
        self._behaviour = behaviour
        self._at = at
        self._tls = tls
        self._delay = delay
        self._pause = pause
        self._instead = dict(instead or {})
        self._replies = {start.upper(): reply for start, reply in (replies or {}).items()}
        self._ca = ca or authority()
        self._pair = pair
        self.host = host
        self.port = free_port(host)
        self.connections = 0
        self.requests: list[bytes] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    def url(self, path: str = "/") -> str:
        """The address as a URL of HTTP."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}{path}"

    # -- start and end ---------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Begin to listen."""
        self._over.clear()
        if self._behaviour == "refuse":
            return self
        self._context = self._server_context()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family, backlog=256)
        self._keep(listener)
        self._run(self._accept, listener)
        if self._session().UDP:
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            datagrams.bind((self.host, self.port))
            self._keep(datagrams)
            self._run(self._serve_datagrams, datagrams)
        return self

    def stop(self) -> None:
        """Cut all connections and stop listening."""
        self._over.set()
        while self._sockets or self._threads:
            with self._lock:
                sockets, self._sockets = self._sockets, []
                threads, self._threads = self._threads, []
            for one in sockets:
                # shutdown() wakes the thread that waits in accept() or recv(); close() alone would not.
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive(), "a thread of the misbehaving server hangs"
            for one in sockets:
                one.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _server_context(self) -> ssl.SSLContext:
        pair = self._pair or self._ca.issue()
        if self._behaviour.startswith("cert_"):
            pair = self._ca.bad(self._behaviour.removeprefix("cert_"))
        with tempfile.TemporaryDirectory() as folder:
            made = pair.server_context(Path(folder))
        made.sslsocket_class = _Closing
        return made

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.append(one)

    def _run(self, work: Callable[[socket.socket], None], one: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(one,), daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    # -- connections -----------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._keep(connection)
            self._run(self._serve, connection)

    def _serve(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialogue = _Dialogue(self, plain)
        try:
            if self._tls:
                dialogue.encrypt()
            dialogue.run()
        except OSError:
            pass  # the client left, or stop() cut the connection
        finally:
            dialogue.close()

    def _serve_datagrams(self, datagrams: socket.socket) -> None:
        while not self._over.is_set():
            try:
                request, client = datagrams.recvfrom(65535)
            except OSError:
                return
            if self._over.is_set() or not request:
                return
            self.requests.append(request)
            answer = Dns.datagram(request)
            match self._behaviour:
                case "silent" | "mute" | "half_open" | "close" | "reset" | "half_closed" | "drip":
                    continue
                case "garbage" | "garbage_close":
                    answer = request[:2] + _garbage(200)
                case "truncate":
                    answer = answer[: len(answer) // 2]
                case "endless":
                    answer = Dns.truncated(request)  # "ask again over TCP", where the answer does not end
            answer = self._instead.get(0, answer)
            if self._behaviour == "late":
                # Questions that come meanwhile are heard.
                self._run(partial(self._answer_late, answer, client), datagrams)
                continue
            with contextlib.suppress(OSError):
                datagrams.sendto(answer, client)

    def _answer_late(self, answer: bytes, client: tuple[str, int], datagrams: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.wait(self._delay)
            datagrams.sendto(answer, client)

    def wait(self, seconds: float | None = None) -> None:
        """Wait so long (None: to the end of the server); OSError where the server ends meanwhile."""
        if self._over.wait(seconds):
            raise ConnectionAbortedError("the server ends")


class _Closing(ssl.SSLSocket):
    """Where the client is gone before the handshake, ssl raises and forgets the socket that it has just made."""

    def __del__(self) -> None:
        self.close()


class _Dialogue:
    """One connection: the well-behaved session, and the place where it is spoilt."""

    def __init__(self, server: Misbehaving, connection: socket.socket) -> None:
        self._server = server
        self._socket = connection
        self._session = server._session()
        self._count = 0

    def run(self) -> None:
        # A server that speaks first (its first answer is not to a request).
        greeting = self._session.greeting()
        if greeting:
            if self._server._behaviour in ("close", "reset") and self._server._at == 0:
                # The client is to see that its connection was made: a reset too soon would look like a refusal.
                self._server.wait(0.05)
            self._answer(greeting)
        buffer = b""
        while not self._session.over:
            while not (length := self._session.frame(buffer)):
                piece = self._socket.recv(65536)
                if not piece:
                    return
                buffer += piece
            request, buffer = buffer[:length], buffer[length:]
            self._server.requests.append(request)
            answer = self._session.answer(request)
            for start, reply in self._server._replies.items():
                if request.upper().startswith(start):
                    answer = reply
            if answer:
                self._answer(answer)
            if self._session.starttls:
                self._session.starttls = False
                buffer = b""
                self.encrypt()

    def encrypt(self) -> None:
        """Do the TLS handshake, or spoil it."""
        match self._server._behaviour:
            case "silent" if self._server._at == 0 and self._server._tls:
                self._server.wait()
            case "not_tls":
                self._socket.recv(65536)
                self._socket.sendall(b"220 mail.example: this is not TLS\r\n")
                self.close()
                raise ConnectionAbortedError
            case "close_in_tls":
                self._socket.recv(65536)
                self.close()
                raise ConnectionAbortedError
            case "reset_in_tls":
                self._socket.recv(65536)
                self._reset()
        wrapped = self._server._context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        # wrap_socket() took the file descriptor over: stop() must cut this one.
        self._forget()
        self._server._keep(wrapped)
        self._socket = wrapped
        wrapped.do_handshake()

    def _answer(self, good: bytes) -> None:
        number, self._count = self._count, self._count + 1
        server = self._server
        good = server._instead.get(number, good)
        spoilt = server._behaviour if number >= server._at else "well"
        if number > server._at and spoilt not in ("drip", "silent", "mute", "half_open"):
            spoilt = "well"
        match spoilt:
            case "silent" | "mute" | "half_open":
                server.wait()
            case "drip":
                for byte in good:
                    self._socket.sendall(bytes([byte]))
                    server.wait(server._pause)
            case "close":
                self.close()
                raise ConnectionAbortedError
            case "reset":
                self._reset()
            case "truncate":
                self._socket.sendall(good[: -max(1, len(good) // 8)])
                self.close()
                raise ConnectionAbortedError
            case "garbage":
                self._socket.sendall(_garbage(512))
                server.wait()
            case "garbage_close":
                self._socket.sendall(_garbage(512))
                self.close()
                raise ConnectionAbortedError
            case "endless":
                head, more = self._session.endless()
                self._socket.sendall(head)
                while not server._over.is_set():
                    self._socket.sendall(more)
                    time.sleep(0.001)
            case "gzip_bomb":
                assert isinstance(self._session, Http)
                bomb = gzip_bomb()
                self._socket.sendall(http_head(len(bomb), "Content-Encoding: gzip") + bomb)
            case "half_closed":
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(65536):
                    pass
            case "late":
                server.wait(server._delay)
                self._socket.sendall(good)
            case _:
                self._socket.sendall(good)

    def _reset(self) -> None:
        # Lingering for no time at all: close() throws away what is unsent and sends RST.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._forget()
        # socket.close() of a wrapped socket would say farewell first.
        socket.socket.close(self._socket)
        raise ConnectionAbortedError

    def close(self) -> None:
        self._forget()
        if isinstance(self._socket, ssl.SSLSocket):
            # A well-meant end of TLS, without waiting for the client's.
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0.05)
                self._socket.unwrap()
        self._socket.close()

    def _forget(self) -> None:
        with self._server._lock, contextlib.suppress(ValueError):
            self._server._sockets.remove(self._socket)


def _garbage(length: int) -> bytes:
    return random.Random(20261001).randbytes(length)


@cache
def gzip_bomb() -> bytes:
    """4 MiB that unpack to 4 GiB of zeros, made in a moment: a fully flushed block may be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"")
    block = bytes(1 << 20)
    first = head + packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 4095 + packer.flush()
