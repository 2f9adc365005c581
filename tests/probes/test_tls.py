"""Certificates: chain, names, days left, protocol."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest

from probes._outcome import Outcome
from probes.tls import covers
from tests.probes.running import ask
from tests.servers.certs import BAD, Authority
from tests.servers.misbehaving import Misbehaving


async def look(server: Misbehaving, ca_file: Path, **settings: Any) -> Any:
    return await ask("tls", host="localhost", port=server.port, ca=str(ca_file), **settings)


async def test_a_good_certificate(ca_file: Path) -> None:
    """A valid chain is good, and what was seen is kept."""
    with Misbehaving("http", tls=True) as server:
        result = await look(server, ca_file, days_left=80, names=["api.example", "127.0.0.1"])
    assert result.outcome == Outcome.OK, result
    assert result.facts["days_left"] in (89, 90)
    assert result.tls is not None
    assert "api.example" in result.tls.names
    assert result.evidence["certificates"]


@pytest.mark.parametrize("fault", BAD)
async def test_every_bad_certificate(fault: str, ca_file: Path) -> None:
    """Each fault is the provider's, and the certificate seen is kept as evidence."""
    with Misbehaving("http", f"cert_{fault}", tls=True) as server:
        result = await look(server, ca_file)
    assert result.outcome == Outcome.TLS, result
    assert result.evidence["certificates"]


async def test_the_verdict_is_the_same_under_every_python(tmp_path: Path, ca: Authority) -> None:
    """What Python 3.13 asks of an authority's certificate beyond the others is not asked, what it takes is taken."""
    plain = Authority("a private authority", plain=True)
    with Misbehaving("http", tls=True, pair=plain.issue()) as server:
        assert (await look(server, plain.write(tmp_path))).outcome == Outcome.OK
    middle = tmp_path / "middle.pem"
    middle.write_bytes(ca.middle_pem)
    with Misbehaving("http", tls=True, pair=ca.issue(intermediate=True)) as server:
        assert (await look(server, middle)).outcome == Outcome.OK


async def test_what_is_asked_beyond_valid(ca_file: Path, ca: Authority) -> None:
    """Days, names and protocol are assertions: a valid certificate that fails one is a wrong answer."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5, hours=1)
    with Misbehaving("http", tls=True, pair=ca.issue(not_after=soon)) as server:
        result = await look(server, ca_file, days_left=14)
        assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, "5 days left, 14 expected")
        result = await look(server, ca_file, names="www.example")
        assert (result.outcome, result.detail[:37]) == (Outcome.WRONG_ANSWER, "the certificate is not for www.exampl")
        server._context.maximum_version = ssl.TLSVersion.TLSv1_2
        result = await look(server, ca_file, protocol="TLSv1.3")
        assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, "TLSv1.2 agreed, TLSv1.3 expected")


async def test_a_server_that_only_speaks_what_is_too_old(ca_file: Path) -> None:
    """No protocol in common is a failed handshake."""
    with Misbehaving("http", "not_tls", tls=True) as server:
        assert (await look(server, ca_file)).outcome == Outcome.TLS


def test_names_with_a_star() -> None:
    """A star stands for one label, no more and no less."""
    assert covers("*.example", "a.example")
    assert covers("A.example", "a.Example.")
    assert not covers("*.example", "example")
    assert not covers("*.example", "a.b.example")
    assert not covers("a.example", "b.example")
