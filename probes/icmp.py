"""An echo request (ping), over the kernel's unprivileged ping socket: no special right is needed, only permission."""

import asyncio
import socket
import struct

from pydantic import Field

from probes._classify import failed
from probes._connect import connect_failed
from probes._fields import ProbeTarget
from probes._resolve import resolve
from probes._trace import Trace

_ECHO = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}


class Target(ProbeTarget):
    """The host, and how many bytes the echo carries. The kernel must allow ping sockets (net.ipv4.ping_group_range)."""

    host: str
    size: int = Field(default=56, ge=16, le=1400, description="bytes of data in the echo")


async def probe(target: Target, trace: Trace) -> None:
    """Sends one echo request and awaits its reply."""
    address = (await resolve(trace, target.host, target.ip))[0]
    trace.peer = address
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol, request, reply = _ECHO[family]
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    except PermissionError:
        raise failed("icmp", "socket", "forbidden") from None
    except OSError as error:
        raise connect_failed(error, address, 0) from None
    loop = asyncio.get_running_loop()
    # The probe's own identifier travels in the data, so that the echo is found in a capture. The kernel sets the
    # identifier of the packet and its checksum, and gives us only replies to our own.
    data = trace.probe_id.encode()[: target.size].ljust(target.size, b"\0")
    packet = struct.pack(">BBHHH", request, 0, 0, 0, 1) + data
    try:
        with trace.phase("echo"):
            # Connecting a datagram socket waits for nothing; asyncio's way would look the address up again.
            sock.connect((address, 0))
            trace.sent(f"echo request, {target.size} bytes")
            await loop.sock_sendall(sock, packet)
            while True:
                answer = await loop.sock_recv(sock, 2048)
                if len(answer) >= 8 and answer[0] == reply and answer[8:] == data:
                    trace.received("echo reply")
                    return
                trace.received(f"another packet: type {answer[0] if answer else '?'}, {len(answer)} bytes")
    except OSError as error:
        raise connect_failed(error, address, 0) from None
    finally:
        sock.close()
