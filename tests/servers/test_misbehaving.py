"""Every misbehaviour is seen by a plain client of the standard library as what its name says."""

from __future__ import annotations

import contextlib
import http.client
import imaplib
import smtplib
import socket
import ssl
import time
import zlib

import dns.message
import dns.query
import dns.rdatatype
import pytest

from tests.servers import HOST
from tests.servers.certs import Authority
from tests.servers.misbehaving import BEHAVIOURS, Misbehaving, behaviours, gzip_bomb
from tests.servers.protocols import PROTOCOLS
from tests.servers.smpp import BIND_TRANSCEIVER, ENQUIRE_LINK, RESPONSE, UNBIND, Client


def _get(server: Misbehaving, timeout: float = 3.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_http_well() -> None:
    """Without a misbehaviour everything is answered, and what was asked is kept."""
    with Misbehaving("http") as server:
        assert _get(server) == (200, b'{"state": "ok"}')
        assert server.connections == 1
        assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")


def test_refuse() -> None:
    """Nothing listens."""
    with Misbehaving("http", "refuse") as server, pytest.raises(ConnectionRefusedError):
        _get(server)


@pytest.mark.parametrize("behaviour", ["silent", "mute", "half_open"])
def test_silence(behaviour: str) -> None:
    """The connection stands and no byte comes."""
    with Misbehaving("http", behaviour) as server, pytest.raises(TimeoutError):
        _get(server, 0.2)


def test_late() -> None:
    """The answer comes, but after the delay."""
    with Misbehaving("http", "late", delay=0.3) as server:
        began = time.monotonic()
        assert _get(server)[0] == 200
        assert time.monotonic() - began >= 0.3
    with Misbehaving("http", "late", delay=30) as server, pytest.raises(TimeoutError):
        _get(server, 0.1)


def test_drip() -> None:
    """Each byte arrives within any timeout a byte, and the whole takes long."""
    with (
        Misbehaving("http", "drip", pause=0.05) as server,
        socket.create_connection((HOST, server.port), 1) as connection,
    ):
        began = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"".join(connection.recv(1) for _ in range(4)) == b"HTTP"
        assert time.monotonic() - began > 0.14


def test_close() -> None:
    """The connection ends without an answer."""
    with Misbehaving("http", "close") as server, pytest.raises(http.client.RemoteDisconnected):
        _get(server)


def test_reset() -> None:
    """RST, not FIN."""
    with Misbehaving("http", "reset") as server, socket.create_connection((HOST, server.port), 3) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(10)


def test_reset_inside_tls(ca: Authority) -> None:
    """The same after the handshake: TLS was not ended."""
    with Misbehaving("http", "reset", tls=True) as server:
        plain = socket.create_connection((HOST, server.port), 3)
        with ca.client_context().wrap_socket(
            plain, server_hostname="localhost", suppress_ragged_eofs=False
        ) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
                connection.recv(10)


def test_truncate() -> None:
    """Less comes than was promised."""
    with (
        Misbehaving("http", "truncate") as server,
        pytest.raises(http.client.IncompleteRead),
    ):
        _get(server)


def test_garbage() -> None:
    """What comes is not HTTP."""
    with Misbehaving("http", "garbage_close") as server, pytest.raises(http.client.HTTPException):
        _get(server)


def test_endless() -> None:
    """Whatever one has read, there is more."""
    with Misbehaving("http", "endless") as server:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=3)
        connection.request("GET", "/")
        response = connection.getresponse()
        assert len(response.read(1_000_000)) == 1_000_000
        response.close()
        connection.close()


def test_gzip_bomb() -> None:
    """The body is small and unpacks to more than memory should hold."""
    with Misbehaving("http", "gzip_bomb") as server:
        status, body = _get(server)
    assert status == 200
    assert len(body) == len(gzip_bomb()) < 6_000_000
    unpacker = zlib.decompressobj(31)
    assert len(unpacker.decompress(body[:200_000])) > 100_000_000


def test_half_closed() -> None:
    """The server ends its direction and still reads."""
    with Misbehaving("http", "half_closed") as server, socket.create_connection((HOST, server.port), 3) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(10) == b""
        connection.sendall(b"still there\r\n")


def test_tls_well(ca: Authority) -> None:
    """Over TLS the certificate is good."""
    with Misbehaving("http", tls=True) as server:
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=3, context=ca.client_context())
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("behaviour", [name for name in BEHAVIOURS if name.startswith("cert_")])
def test_certificates(behaviour: str, ca: Authority) -> None:
    """A bad certificate fails the verification; without verification the server answers."""
    with Misbehaving("http", behaviour, tls=True) as server:
        for context, good in ((ca.client_context(), False), (ssl._create_unverified_context(), True)):
            plain = socket.create_connection((HOST, server.port), 3)
            if good:
                context.wrap_socket(plain, server_hostname="localhost").close()
            else:
                with plain, pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("not_tls", ssl.SSLError),
        ("close_in_tls", (ssl.SSLError, ConnectionResetError)),
        ("reset_in_tls", ConnectionResetError),
        ("silent", TimeoutError),
    ],
)
def test_handshakes(behaviour: str, error: type[Exception], ca: Authority) -> None:
    """What goes wrong within the handshake."""
    with (
        Misbehaving("http", behaviour, tls=True) as server,
        socket.create_connection((HOST, server.port), 0.3) as plain,
        pytest.raises(error),
    ):
        ca.client_context().wrap_socket(plain, server_hostname="localhost")


def test_smtp_well(ca: Authority) -> None:
    """A whole session with STARTTLS, AUTH and a mail."""
    with Misbehaving("smtp_starttls") as server, smtplib.SMTP("localhost", server.port, timeout=3) as client:
        client.starttls(context=ca.client_context())
        client.login("u", "p")
        assert client.sendmail("a@example", ["b@example"], "Subject: x\r\n\r\ny\r\n.\r\n") == {}
    assert any(request.upper().startswith(b"RCPT") for request in server.requests)


def test_smtp_single_answers() -> None:
    """An answer is replaced by its number or by what was asked."""
    with (
        Misbehaving("smtp", instead={2: b"421 4.7.0 slow down\r\n"}, replies={b"rset": b"500 no\r\n"}) as server,
        smtplib.SMTP(HOST, server.port, timeout=3) as client,
    ):
        client.ehlo()
        assert client.mail("a@example") == (421, b"4.7.0 slow down")
        assert client.docmd("RSET") == (500, b"no")


@pytest.mark.parametrize("at", range(5))
def test_smtp_closes_at_every_answer(at: int) -> None:
    """The answers before the chosen one are good."""
    with Misbehaving("smtp", "close", at=at) as server:
        codes = []
        client = smtplib.SMTP(timeout=3)
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            codes.append(client.connect(HOST, server.port)[0])
            commands = ("EHLO x", "MAIL FROM:<a@example>", "RCPT TO:<b@example>", "RSET")
            codes.extend(client.docmd(command)[0] for command in commands)
        client.close()
        assert codes == [220, 250, 250, 250, 250][:at]


def test_smtp_certificate_at_starttls(ca: Authority) -> None:
    """A bad certificate shows after STARTTLS."""
    with (
        Misbehaving("smtp_starttls", "cert_expired") as server,
        smtplib.SMTP("localhost", server.port, timeout=3) as client,
    ):
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            client.starttls(context=ca.client_context())
        client.close()


def test_smpp() -> None:
    """Bind, enquire_link and unbind are answered; muted after the bind, the enquire_link is not."""
    with Misbehaving("smpp") as server, Client(HOST, server.port) as client:
        assert client.bind("u", "p").command == BIND_TRANSCEIVER | RESPONSE
        client.send(ENQUIRE_LINK)
        assert client.read().command == ENQUIRE_LINK | RESPONSE
        client.send(UNBIND)
        assert client.read().command == UNBIND | RESPONSE
        with pytest.raises(ConnectionError):
            client.read()
    with Misbehaving("smpp", "mute", at=1) as server, Client(HOST, server.port) as client:
        assert client.bind("u", "p").status == 0
        client.send(ENQUIRE_LINK)
        with pytest.raises(TimeoutError):
            client.read(0.2)


def test_imap() -> None:
    """Log in, select, search, log out."""
    with Misbehaving("imap") as server:
        client = imaplib.IMAP4(HOST, server.port, timeout=3)
        assert client.login("u", "p")[0] == "OK"
        assert client.select()[0] == "OK"
        assert client.search(None, "ALL")[0] == "OK"
        client.logout()


def test_dns() -> None:
    """UDP and TCP; truncated, late and silent."""
    query = dns.message.make_query("a.example.", dns.rdatatype.A)
    with Misbehaving("dns") as server:
        for ask in (dns.query.udp, dns.query.tcp):
            assert "192.0.2.1" in ask(query, HOST, timeout=3, port=server.port).to_text()
    with Misbehaving("dns", "silent") as server, pytest.raises(dns.exception.Timeout):
        dns.query.udp(query, HOST, timeout=0.2, port=server.port)
    with Misbehaving("dns", "late", delay=0.3) as server:
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(query, HOST, timeout=0.1, port=server.port)
        assert dns.query.udp(query, HOST, timeout=3, port=server.port).answer
        assert len(server.requests) == 2
    with Misbehaving("dns", "garbage") as server, pytest.raises(Exception, match=r"."):
        dns.query.udp(query, HOST, timeout=0.5, port=server.port)


def test_grpc_speaks_http2() -> None:
    """The settings of HTTP/2 come first, unasked."""
    with Misbehaving("grpc") as server, socket.create_connection((HOST, server.port), 3) as connection:
        assert connection.recv(100)[3] == 4


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_behaviour_starts_and_stops(protocol: str) -> None:
    """Each combination listens (or refuses) and ends cleanly with a client in the middle."""
    for behaviour, at in behaviours(protocol):
        with Misbehaving(protocol, behaviour, at=at, pause=0.01, delay=0.01) as server:
            try:
                connection = socket.create_connection((HOST, server.port), 1)
            except ConnectionRefusedError:
                assert behaviour == "refuse"
                continue
            except ConnectionResetError:
                # Who speaks first may have gone already.
                assert (behaviour, at) == ("reset", 0)
                continue
            connection.close()
            assert behaviour != "refuse"
