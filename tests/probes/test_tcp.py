"""TCP ports: a banner, a question, a dialogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import probes
from probes._outcome import Outcome
from tests.probes.running import ask, probe, shown
from tests.servers.misbehaving import Misbehaving


async def test_a_port_a_banner_a_question() -> None:
    """An open port is good; with expect, some line must match."""
    with Misbehaving("smtp") as server:
        where = {"host": "localhost", "port": server.port}
        assert (await ask("tcp", **where)).outcome == Outcome.OK
        assert (await ask("tcp", **where, expect="ESMTP$")).outcome == Outcome.OK
        assert (await ask("tcp", **where, send="EHLO a", expect="^250 ")).outcome == Outcome.OK
        assert (await ask("tcp", 0.5, **where, expect="POP3")).outcome == Outcome.TIMEOUT


async def test_a_dialogue_with_starttls(ca_file: Path) -> None:
    """Turns are taken in order; what was matched can be said back; TLS begins where it is asked for."""
    dialogue = [
        {"expect": r"^220 (?P<host>\S+)", "send": "EHLO ${1}.${host}"},
        {"expect": "STARTTLS"},
        {"expect": "^250 ", "send": "STARTTLS"},
        {"expect": "^220", "starttls": True, "send": None},
        {"send": "EHLO again"},
        {"expect": "^250-PIPELINING"},
    ]
    with Misbehaving("smtp_starttls") as server:
        settings = {"host": "localhost", "port": server.port, "dialogue": dialogue}
        result = await ask("tcp", **settings, starttls={"ca": str(ca_file)})
        assert result.outcome == Outcome.OK, shown(result)
        assert result.tls is not None
        assert (await ask("tcp", **settings)).outcome == Outcome.TLS
        assert server.requests[0] == b"EHLO mail.example.mail.example\r\n"


def test_settings_that_are_refused() -> None:
    """A dialogue stands alone."""
    with pytest.raises(ValidationError, match="either dialogue, or send and expect"):
        probes.load("tcp").Target.model_validate({"host": "a", "port": 1, "send": "x", "dialogue": [{"send": "y"}]})


@pytest.mark.parametrize(("expect", "outcome"), [("^220 ", "ok"), ("POP3", "timeout")])
async def test_a_failure_keeps_the_kernels_view_of_the_connection(expect: str, outcome: str) -> None:
    """Round-trip time and retransmissions: evidence of a failure, and no work for a probe that goes well."""
    with Misbehaving("smtp") as server:
        settings = {"host": "127.0.0.1", "port": server.port, "expect": expect}
        seen = await probe("tcp", settings, timeout=0.3, transcripts=False)
        whole = await probe("tcp", settings, timeout=0.3)
    assert seen.outcome == whole.outcome == outcome, shown(seen)
    assert ("tcp" in seen.evidence) == (outcome != "ok"), shown(seen)
    assert "rtt_us" in str(whole.evidence["tcp"]), shown(whole)
