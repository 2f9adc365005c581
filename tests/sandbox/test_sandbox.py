"""The sandbox's providers, seen by clients that are not ours."""

import asyncio
import contextlib
import smtplib
import ssl
import struct
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from monitor.sandbox import Sandbox
from monitor.sandbox.certs import authority
from monitor.sandbox.script import Fault
from monitor.sandbox.stage import PASSWORD

CA = Path(__file__).parents[2] / "config" / "sandbox-ca.pem"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """All providers on ports of the system's choice, without faults."""
    async with Sandbox(base_port=0, script=None) as running:
        yield running


def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CA))


def get(port: int, path: str, password: str | None = PASSWORD) -> tuple[int, str]:
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}")
    if password:
        request.add_header("Authorization", "Basic " + b64encode(f"api:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, context=trust(), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_shipped_authority_is_the_one_that_signs() -> None:
    """config/sandbox-ca.pem belongs to the sandbox's own key."""
    shipped = x509.load_pem_x509_certificate(CA.read_bytes())
    assert shipped.public_key() == authority().public_key()


async def test_an_api_answers_those_who_know_its_password(sandbox: Sandbox) -> None:
    """The HTTP providers check credentials and paths."""
    port = sandbox.ports["mailgun-api"]
    status, body = await asyncio.to_thread(get, port, "/v3/domains")
    assert (status, '"active"' in body) == (200, True)
    assert (await asyncio.to_thread(get, port, "/v3/domains", "wrong"))[0] == 401
    assert (await asyncio.to_thread(get, port, "/nowhere"))[0] == 404


@pytest.mark.parametrize(("fault", "status"), [(Fault.ERROR, 503), (Fault.THROTTLE, 429), (Fault.WRONG_ANSWER, 200)])
async def test_an_api_fails_as_it_is_told(sandbox: Sandbox, fault: Fault, status: int) -> None:
    """Faults of the application are answers."""
    provider = sandbox.providers["mailpro-api"]
    await provider.play(fault)
    seen, body = await asyncio.to_thread(get, provider.port, "/v3/status")
    assert (seen, "credits" in body) == (status, False)
    await provider.play(None)
    assert (await asyncio.to_thread(get, provider.port, "/v3/status"))[0] == 200


async def test_faults_of_the_line(sandbox: Sandbox) -> None:
    """Refusal, silence, reset, a drip and a certificate for another name are what they say."""
    provider = sandbox.providers["mailpro-website"]
    await provider.play(Fault.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", provider.port)
    await provider.play(Fault.BAD_CERTIFICATE)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await asyncio.open_connection("127.0.0.1", provider.port, ssl=trust(), server_hostname="127.0.0.1")
    plain = sandbox.providers["mailpro-sms"]
    await plain.play(Fault.RESET)
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    writer.write(b"x")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.transport.abort()
    await plain.play(Fault.DRIP)
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    assert await reader.readexactly(1) == b"\0"
    writer.transport.abort()
    await plain.play(Fault.SILENCE)
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
        pytest.fail("a silent server spoke")
    writer.transport.abort()


def _send(port: int, *, starttls: bool, password: str = PASSWORD) -> tuple[int, bytes]:
    client = smtplib.SMTP("127.0.0.1", port, timeout=5) if starttls else smtplib.SMTP_SSL(
        "127.0.0.1", port, timeout=5, context=trust()
    )  # fmt: skip
    with client:
        if starttls:
            client.starttls(context=trust())
        client.login("probe", password)
        client.mail("probe@example.org")
        client.rcpt("sink@example.org")
        return client.data(b"Subject: hello\r\n\r\nbody")


@pytest.mark.parametrize(("name", "starttls"), [("mailgun-smtp", True), ("mailpro-smtp", False)])
async def test_a_relay_takes_mail(sandbox: Sandbox, name: str, starttls: bool) -> None:
    """Python's own SMTP client gets a mail through, with TLS and a password."""
    code, text = await asyncio.to_thread(_send, sandbox.ports[name], starttls=starttls)
    assert (code, text.startswith(b"2.0.0 Ok: queued as")) == (250, True)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await asyncio.to_thread(_send, sandbox.ports[name], starttls=starttls, password="wrong")


async def _smpp(port: int, *pdus: bytes) -> list[tuple[int, int]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seen = []
    for pdu in pdus:
        writer.write(pdu)
        length, command, status, _ = struct.unpack(">4I", await reader.readexactly(16))
        await reader.readexactly(length - 16)
        seen.append((command, status))
    writer.transport.abort()
    return seen


def _pdu(command: int, body: bytes = b"") -> bytes:
    return struct.pack(">4I", 16 + len(body), command, 0, 1) + body


async def test_an_sms_centre_binds_and_answers(sandbox: Sandbox) -> None:
    """bind_transceiver, enquire_link and unbind; a wrong password and an unknown command are refused."""
    port = sandbox.ports["mailpro-sms"]
    bind = _pdu(9, b"probe\0" + PASSWORD.encode() + b"\0\0\x34\0\0\0")
    assert await _smpp(port, bind, _pdu(0x15), _pdu(0x999), _pdu(6)) == [
        (0x80000009, 0),
        (0x80000015, 0),
        (0x80000000, 3),
        (0x80000006, 0),
    ]
    assert await _smpp(port, _pdu(9, b"probe\0wrong\0\0\x34\0\0\0")) == [(0x80000009, 0xE)]
    await sandbox.providers["mailpro-sms"].play(Fault.THROTTLE)
    assert await _smpp(port, bind) == [(0x80000009, 0x58)]
