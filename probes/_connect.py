"""A fresh connection for every probe: resolve, connect, and TLS where asked, each a phase of its own.

Rules:
1. Addresses are tried in order, each once, each recorded; what counts is the last real answer of the remote.
2. What stops us on this machine (no descriptors, no ports, a local ban, no route for the family) is never the
   remote's fault.
3. Nothing is reused: no pool, no cached name, no resumed session.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import struct
import sys

from probes._classify import failed
from probes._outcome import Failed
from probes._resolve import resolve
from probes._tls import TlsSettings, context, facts, tls_failed, witness_chain
from probes._trace import Trace

OUR_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENONET})
_LOST = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN})


async def connect_socket(trace: Trace, host: str, port: int, ip: str = "any") -> socket.socket:
    """A connected TCP socket, phases ``resolve`` and ``connect`` recorded. Raises Failed."""
    addresses = await resolve(trace, host, ip)
    tried: list[dict[str, object]] = []
    verdict: Failed | None = None
    try:
        with trace.phase("connect"):
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                began = trace.elapsed_ms()
                trace.peer = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                try:
                    if left == 1:  # it has all the time there is: the deadline itself ends it
                        sock = await _connect(address, port)
                    else:
                        async with asyncio.timeout(trace.remaining() / left):
                            sock = await _connect(address, port)
                except OSError as error:
                    reason = connect_failed(error, address, port)
                    tried.append(
                        {"address": trace.peer, "ms": round(trace.elapsed_ms() - began, 1), "error": str(reason)}
                    )
                    # An address that we cannot route to says nothing where another one was answered.
                    if verdict is None or verdict.outcome.fault != "provider" or reason.outcome.fault == "provider":
                        verdict = reason
                else:
                    tried.append({"address": trace.peer, "ms": round(trace.elapsed_ms() - began, 1)})
                    return sock
            raise verdict or failed("net", "connect", "unreachable", f"{host} has no address to connect to")
    finally:
        trace.witness("addresses", tried or [{"address": trace.peer}])


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _established(sock, address, port)
    except BaseException:
        sock.close()
        raise
    return sock


async def _established(sock: socket.socket, address: str, port: int) -> None:
    """Connect this socket that does not block. Raises OSError.

    Not by the loop's own ``sock_connect``: that of uvloop hands every address, even a literal one, to a thread first.
    """
    # A host as near as this one has answered by the second call: to watch a descriptor costs more than to ask again.
    for _ in range(2):
        number = sock.connect_ex((address, port))
        if number == 0:
            return
        if number not in _UNDER_WAY:
            raise OSError(number, os.strerror(number))  # becomes its subclass, as ConnectionRefusedError
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _writable, done)
    try:
        await done
    finally:
        loop.remove_writer(sock)
    if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


def _writable(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def connect_failed(error: OSError, address: str, port: int) -> Failed:
    """The failure that this error of connecting means (docs/classification.md, phase connect)."""
    where = f"{address} port {port}"
    number = error.errno
    if isinstance(error, ConnectionRefusedError):
        return failed("net", "connect", "refused", f"connection refused by {where}", code=number)
    if number in OUR_LIMITS:
        return failed("net", "any", "no_descriptors", f"cannot open a connection: {error.strerror}", code=number)
    if number in _FORBIDDEN:
        return failed("net", "connect", "forbidden", f"this machine forbids a connection to {where}: {error.strerror}")
    if number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
        return failed("net", "connect", "no_family", f"this machine cannot use the family of {address}")
    if number in _NO_ROUTE:
        return failed("net", "connect", "unreachable", f"no route to {where}: {error.strerror}", code=number)
    if isinstance(error, TimeoutError):
        return failed("net", "connect", "deadline", f"no connection to {where} in time")
    return failed("net", "connect", "reset", f"connection to {where} was lost: {error.strerror or error}", code=number)


def lost(error: OSError | EOFError, protocol: str, phase: str) -> Failed:
    """The failure that losing an established connection means."""
    if isinstance(error, OSError) and error.errno in OUR_LIMITS:
        return failed("net", "any", "no_descriptors", f"our own machine failed: {error.strerror}")
    if isinstance(error, TimeoutError):
        return failed("net", "any", "deadline", "the connection timed out below us: nothing was acknowledged")
    return failed(protocol, phase, "reset", f"connection lost: {getattr(error, 'strerror', None) or error or 'closed'}")


async def open_stream(
    trace: Trace,
    host: str,
    port: int,
    *,
    ip: str = "any",
    tls: TlsSettings | None = None,
    alpn: str | None = None,
    limit: int = 65_536,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connected stream, with a verified TLS handshake where ``tls`` is given (phase ``tls``). Raises Failed.

    The caller closes it with ``writer.transport.abort()``: a probe never waits for a polite farewell.
    """
    sock = await connect_socket(trace, host, port, ip)
    if tls is None:
        try:
            return await asyncio.open_connection(sock=sock, limit=limit)
        except OSError as error:
            sock.close()
            raise lost(error, "net", "any") from None
    return await secure(trace, sock, host, tls, alpn=alpn, limit=limit)


def peer_of(trace: Trace) -> tuple[str, int]:
    """Address and port that we are connected to. The socket itself no longer knows them once the peer has reset it."""
    address, _, port = (trace.peer or "").rpartition(":")
    return address.strip("[]"), int(port)


async def secure(
    trace: Trace,
    sock: socket.socket,
    host: str,
    tls: TlsSettings,
    *,
    alpn: str | None = None,
    limit: int = 65_536,
    direct: bool = True,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream over this connected socket, after a verified handshake for ``host`` (phase ``tls``). Raises Failed.

    The socket is the stream's, or closed. With ``direct`` false the peer is not the server itself (a proxy), so no
    second handshake can be made for evidence.
    """
    name = tls.server_name or host.strip("[]")
    address, port = peer_of(trace)
    made = False
    try:
        verified = context(tls, alpn)
    except BaseException:
        sock.close()
        raise
    try:
        with trace.phase("tls"):
            reader, writer = await asyncio.open_connection(
                sock=sock,
                limit=limit,
                ssl=verified,
                server_hostname=name,
                ssl_handshake_timeout=trace.remaining() + 60,
            )
            made = True
            trace.tls = facts(writer.get_extra_info("ssl_object"), verified=tls.verify)
    except ssl.SSLError as error:
        verdict = tls_failed(trace, error)
        if direct and isinstance(error, ssl.SSLCertVerificationError):
            await witness_chain(trace, address, port, name)
        raise verdict from None
    except (ConnectionError, EOFError) as error:
        raise failed("net", "any", "reset", f"connection lost in the TLS handshake: {error or 'closed'}") from None
    except OSError as error:
        raise lost(error, "net", "any") from None
    finally:
        # The socket is the loop's by now, and it closes it; but where the handshake has just succeeded it says farewell
        # first, and would wait for the peer's. Closed under its hands, the number would be given to the next socket
        # while the loop still knows it as this one's.
        if not made:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
    return reader, writer


def cut(trace: Trace, writer: asyncio.StreamWriter) -> None:
    """Ends the connection; where the probe fails (or everything is to be seen) the kernel's view of it is kept."""
    if trace.thorough or sys.exc_info()[0] is not None:
        tcp_facts(trace, writer)
    writer.transport.abort()


def tcp_facts(trace: Trace, writer: asyncio.StreamWriter | asyncio.BaseTransport) -> None:
    """Keeps the kernel's view of the connection: round-trip time, retransmissions (Linux tcp_info)."""
    sock = writer.get_extra_info("socket")
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:
        return
    # struct tcp_info: eight bytes of flags, then u32 fields; [15] is rtt in µs, [16] its variance, [23] total_retrans.
    if len(raw) >= 104:
        numbers = struct.unpack_from("24I", raw, 8)
        trace.witness("tcp", {"rtt_us": numbers[15], "rttvar_us": numbers[16], "retransmits": numbers[23]})
