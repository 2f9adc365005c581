"""Somebody else's dissectors read what the probes send: nothing in it is malformed."""

from __future__ import annotations

from pathlib import Path

from tests.probes.running import probe, shown
from tests.probes.test_mailauth import ALL, GOOD
from tests.probes.zone import serving
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_response
from tests.servers.smpp_node import SmppNode
from tests.servers.tshark import Capture


async def test_our_smtp(tmp_path: Path) -> None:
    """Each command as RFC 5321 has it, with nothing that the dissector does not know."""
    with Misbehaving("smtp") as server, Capture(tmp_path, {server.port: "smtp"}) as capture:
        for auth in ("plain", "login"):
            result = await probe(
                "smtp",
                {
                    "host": "127.0.0.1", "port": server.port, "tls": "none", "auth": auth, "username": "u",
                    "password": "p", "from": "probe@example.com", "to": "sink@example.com",
                },
            )  # fmt: skip
            assert result.outcome == "ok", shown(result)
    assert capture.malformed() == []
    verbs = capture.field("smtp.req.command")
    assert verbs == ["EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"] * 2


async def test_our_smpp(tmp_path: Path) -> None:
    """Binds, links, a message, its receipt's answer and unbind: every PDU whole and right."""
    with SmppNode(tmp_path / "node") as smsc, Capture(tmp_path / "pcap", {smsc.port: "smpp"}) as capture:
        base = {"host": "127.0.0.1", "port": smsc.port, "system_id": "u", "password": "secret"}
        for bind in ("transceiver", "transmitter", "receiver"):
            result = await probe("smpp", {**base, "bind": bind})
            assert result.outcome == "ok", shown(result)
        send = {"deliver": "true", "from": "slaproof", "to": "+41790000000", "service_type": "TEST"}
        for receipt in ("soon", "early"):
            smsc.set(receipt=receipt)
            result = await probe("smpp", {**base, **send})
            assert result.outcome == "ok", shown(result)
    assert capture.malformed() == []
    ours = f"tcp.dstport == {smsc.port} and smpp"
    commands = {int(value, 16) for value in capture.field("smpp.command_id", ours)}
    assert commands == {0x1, 0x2, 0x9, 0x15, 0x4, 0x6, 0x80000005}
    assert set(capture.field("smpp.destination_addr", "smpp.command_id == 4")) == {"41790000000"}


async def test_our_dns(tmp_path: Path) -> None:
    """Every question of a mailauth and a blocklist probe, and the answers, are read without a fault."""
    with serving(GOOD) as server, Capture(tmp_path, {server.port: "dns"}) as capture:
        result = await probe("mailauth", {**ALL, "nameservers": server.address}, timeout=4)
        assert result.outcome == "ok", shown(result)
        lists = {"addresses": ["192.0.2.1", "2001:db8::1"], "lists": ["bl.example"], "nameservers": server.address}
        assert (await probe("blocklist", lists)).outcome == "ok"
    assert capture.malformed() == []
    asked = set(capture.field("dns.qry.name", "dns.flags.response == 0"))
    assert {"d.example", "s1._domainkey.d.example", "_dmarc.d.example", "1.2.0.192.bl.example"} <= asked


async def test_our_http(tmp_path: Path) -> None:
    """Requests with and without a body, and through redirects, are whole HTTP/1.1."""
    moved = http_response(b"", "Location: /b?c=d", status="302 Found")
    with (
        Misbehaving("http", replies={b"GET /a": moved}) as server,
        Capture(tmp_path, {server.port: "http"}) as capture,
    ):
        for settings in (
            {"url": server.url("/a"), "follow_redirects": True},
            {"url": server.url("/post"), "json": {"a": "bödy"}, "auth": {"token": "t"}},
            {"url": server.url("/put"), "method": "PUT", "form": {"a": "b c"}},
            {"url": server.url("/head"), "method": "HEAD", "expect": {"status": [200]}},
        ):
            result = await probe("http", settings)
            assert result.outcome == "ok" or settings.get("method") == "HEAD", shown(result)
    assert capture.malformed() == []
    assert capture.field("http.request.method") == ["GET", "GET", "POST", "PUT", "HEAD"]
    assert capture.field("http.request.uri") == ["/a", "/b?c=d", "/post", "/put", "/head"]
    assert set(capture.field("http.user_agent")) == {"slaproof/0.1.0 (probe 0123456789abcdef)"}


async def test_our_questions_for_records(tmp_path: Path) -> None:
    """Over UDP and TCP, with and without DNSSEC, whatever the type."""
    with Misbehaving("dns") as server, Capture(tmp_path, {server.port: "dns"}) as capture:
        for transport in ("udp", "tcp"):
            for more in ({"type": "A"}, {"type": "AAAA"}, {"type": "TXT"}, {"type": "A", "dnssec": "unsigned"}):
                settings = {"name": "www.example", "server": server.address, "transport": transport, **more}
                result = await probe("dns", settings)
                assert result.outcome == "ok", shown(result)
    assert capture.malformed() == []
    assert capture.field("dns.qry.type", "dns.flags.response == 0") == ["1", "28", "16", "1"] * 2


async def test_our_grpc(tmp_path: Path) -> None:
    """Settings, one call and its answer, as HTTP/2 has them."""
    with Misbehaving("grpc") as server, Capture(tmp_path, {server.port: "http2"}) as capture:
        result = await probe("grpc", {"host": "127.0.0.1", "port": server.port, "service": "a.B"})
        assert result.outcome == "ok", shown(result)
    assert capture.malformed() == []
    assert "/grpc.health.v1.Health/Check" in " ".join(capture.field("http2.headers.path"))
