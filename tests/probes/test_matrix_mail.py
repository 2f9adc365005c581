"""What real mail servers and message centres do, and what is made of it. ``pytest -s`` prints the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.probes.matrix import Seen, matrix
from tests.probes.running import names, probe
from tests.servers.certs import Authority
from tests.servers.drive_smpp import DriveSmpp
from tests.servers.postfix import Postfix
from tests.servers.rbldnsd import Rbldnsd
from tests.servers.smpp_node import SmppNode

# --- Postfix with Dovecot --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """The table of Postfix."""
    with matrix("Postfix + Dovecot") as table:
        yield table


class Relay:
    """Probes one Postfix."""

    def __init__(self, mail: Postfix, ca_file: Path) -> None:
        self._mail, self._ca = mail, str(ca_file)

    def settings(self, **more: Any) -> dict[str, Any]:
        login = {"username": "probe", "password": "probe-secret"}
        envelope = {"from": "probe@example", "to": "sink@example"}
        base = {"host": "localhost", "ip": "4", "port": self._mail.port, "tls": "starttls", "ca": self._ca}
        return {**base, **login, **envelope, **more}

    async def __call__(self, timeout: float = 3.0, **more: Any) -> Any:
        return await probe("smtp", self.settings(**more), timeout=timeout, secrets=["probe-secret"])


@pytest.fixture
def relay(mail: Postfix, ca_file: Path) -> Relay:
    """A probe of the module's Postfix."""
    return Relay(mail, ca_file)


async def test_postfix_well(relay: Relay, mail: Postfix, seen: Seen) -> None:
    """STARTTLS with AUTH, TLS from the start, and plain; the probe's name stands in Postfix' log."""
    result = await relay()
    seen.expect("STARTTLS, AUTH", result, "ok")
    assert names(result)[2:] == "banner ehlo tls ehlo_tls auth mail rcpt rset quit".split()  # noqa: SIM905
    seen.expect("implicit TLS, AUTH LOGIN", await relay(port=mail.smtps_port, tls="implicit", auth="login"), "ok")
    plain = {"port": mail.plain_port, "tls": "none", "username": None, "password": None}
    seen.expect("plain, no AUTH", await relay(**plain), "ok")
    assert mail.held() == 0


async def test_postfix_refuses_us(relay: Relay, mail: Postfix, seen: Seen) -> None:
    """What we did wrong is never Postfix' fault."""
    seen.expect("AUTH 535", await relay(password="wrong"), "rejected", code=535)
    seen.expect("recipient unknown 550", await relay(to="nobody@example"), "rejected", code=550)
    seen.expect(
        "relay denied 554", await relay(username=None, password=None, to="a@elsewhere.example"), "rejected", code=554
    )
    seen.expect("AUTH without STARTTLS", await relay(tls="none"), "rejected", says="ways to log in")
    seen.expect("helo rejected", await _with_policy(relay, mail, "EHLO", "550 5.7.1 helo"), "rejected", code=550)
    seen.expect("client blocked", await _with_policy(relay, mail, "CONNECT", "554 5.7.1 blocked"), "rejected", code=554)


async def _with_policy(relay: Relay, mail: Postfix, stage: str, action: str) -> Any:
    mail.policy[stage] = action
    try:
        return await relay()
    finally:
        mail.policy.clear()


async def test_postfix_asks_for_patience(relay: Relay, mail: Postfix, seen: Seen) -> None:
    """Greylisting and rate limits are told apart from failures."""
    mail.greylist(30)
    seen.expect("greylisted 450 4.2.0", await relay(), "throttled", code=450)
    mail.greylist(None)
    result = await _with_policy(relay, mail, "RCPT", "450 4.7.1 Error: too much mail from 127.0.0.1")
    seen.expect("policy 450 4.7.1", result, "throttled", code=450)
    mail.recipients["sink@example"] = "452 4.2.2 Mailbox full"
    seen.expect("mailbox full 452 4.2.2", await relay(), "rejected", code=452)
    mail.recipients.clear()
    mail.limit_connections(1)
    assert (await relay()).outcome == "ok"
    seen.expect("connection rate 421 4.7.0", await relay(), "throttled", code=421)
    mail.limit_connections(0)


async def test_postfix_fails(relay: Relay, mail: Postfix, seen: Seen, ca: Authority) -> None:
    """What Postfix did wrong is told as such; afterwards it is well again."""
    mail.disk_full()
    seen.expect("disk full 452 4.3.1", await relay(), "server_error", code=452)
    mail.disk_full(False)
    result = await _with_policy(relay, mail, "RCPT", "451 4.3.0 Temporary lookup failure")
    seen.expect("lookup failure 451 4.3.0", result, "server_error", code=451)
    result = await _with_policy(relay, mail, "MAIL", "421 4.3.2 System shutting down")
    seen.expect("shutting down 421 4.3.2", result, "server_error", code=421)
    mail.withdraw_starttls()
    seen.expect("STARTTLS withdrawn", await relay(), "tls", says="does not offer STARTTLS")
    mail.withdraw_starttls(False)
    for fault in ("expired", "other_name", "self_signed", "incomplete_chain", "not_yet_valid"):
        mail.certificate(ca.bad(fault))
        result = await relay()
        seen.expect(f"certificate {fault}", result, "tls", says="certificate not accepted")
        assert result.evidence["certificates"]
    mail.certificate(ca.issue())
    seen.expect("well again", await relay(), "ok")


async def test_postfix_hangs_and_stops(relay: Relay, mail: Postfix, seen: Seen) -> None:
    """Held, without its back end, and gone."""
    mail.suspend()
    seen.expect("SIGSTOP", await relay(timeout=0.7), "timeout", says="in phase banner")
    mail.resume()
    mail.dovecot.suspend()
    result = await relay(timeout=1.5)
    seen.expect("login server held", result, "timeout")
    mail.dovecot.resume()
    seen.expect("well again", await relay(), "ok")
    mail.processes[0].stop()
    seen.expect("stopped", await relay(), "refused")
    mail.processes[0].start()
    seen.expect("started again", await relay(), "ok")


# --- message centres -------------------------------------------------------------------------------------------------

SEND = {"deliver": "true", "from": "slaproof", "to": "+41790000000"}


async def test_node_smpp(tmp_path: Path) -> None:
    """node-smpp, in each of its moods."""
    with SmppNode(tmp_path / "node") as smsc, matrix("node-smpp") as seen:
        base = {"host": "127.0.0.1", "port": smsc.port, "system_id": "u", "password": "secret"}

        async def look(timeout: float = 1.0, **more: Any) -> Any:
            result = await probe("smpp", {**base, **more}, timeout=timeout, secrets=["secret"])
            assert "secret" not in str(result)
            return result

        for bind in ("transceiver", "transmitter", "receiver"):
            seen.expect(f"bind {bind}", await look(bind=bind), "ok")
        seen.expect("bad password", await look(password="wrong"), "rejected", says="ESME_RINVPASWD", code=0x0E)
        seen.expect("unknown system_id", await look(system_id="who"), "rejected", says="ESME_RINVSYSID", code=0x0F)
        moods: list[tuple[str, str, str, str]] = [
            ("bind", "mute", "timeout", "in phase bind"), ("bind", "refuse", "rejected", "ESME_RBINDFAIL"),
            ("bind", "error", "server_error", "ESME_RSYSERR"), ("bind", "drop", "reset", "without unbind"),
            ("bind", "unbind", "reset", "unbind"), ("link", "mute", "timeout", "in phase enquire_link"),
            ("link", "unbind", "reset", "unbind"), ("link", "drop", "reset", "without unbind"),
            ("unbind", "mute", "ok", ""),
        ]  # fmt: skip
        for knob, mood, outcome, says in moods:
            smsc.set(**{knob: mood})
            seen.expect(f"{knob} {mood}", await look(), outcome, says=says)
            smsc.reset()
        seen.expect("receipt soon", await look(**SEND), "ok")
        for receipt, outcome in (("early", "ok"), ("late", "ok"), ("never", "undelivered")):
            smsc.set(receipt=receipt, delay=600)
            seen.expect(f"receipt {receipt}", await look(timeout=1.5, **SEND), outcome)
        smsc.set(receipt="late", delay=3000)
        seen.expect("receipt after the deadline", await look(**SEND), "undelivered", says="no receipt in time")
        smsc.set(receipt="soon", state="UNDELIV")
        seen.expect("receipt UNDELIV", await look(**SEND), "undelivered", says="UNDELIV")
        smsc.reset()
        refusals = [
            ("throttle", "throttled", "ESME_RTHROTTLED"), ("queue_full", "throttled", "ESME_RMSGQFUL"),
            ("reject", "rejected", "ESME_RSUBMITFAIL"), ("bad_number", "rejected", "ESME_RINVDSTADR"),
            ("mute", "timeout", "in phase submit"), ("unbind", "reset", "unbind"), ("drop", "reset", "without unbind"),
        ]  # fmt: skip
        for mood, outcome, says in refusals:
            smsc.set(submit=mood)
            seen.expect(f"submit {mood}", await look(**SEND), outcome, says=says)
        smsc.reset()
        smsc.suspend()
        seen.expect("SIGSTOP", await look(), "timeout")
        smsc.resume()
        smsc.stop()
        seen.expect("stopped", await look(), "refused")


async def test_drive_smpp(tmp_path: Path) -> None:
    """Kannel's drive_smpp, a message centre in C that knows transmitters alone."""
    with DriveSmpp(tmp_path / "drive") as smsc, matrix("drive_smpp") as seen:
        base = {"host": "127.0.0.1", "port": smsc.port, "system_id": "u", "password": "any"}
        seen.expect("bind transmitter", await probe("smpp", {**base, "bind": "transmitter"}), "ok")
        smsc.restart()
        smsc.suspend()
        seen.expect("SIGSTOP", await probe("smpp", {**base, "bind": "transmitter"}, timeout=0.7), "timeout")
        smsc.resume()


async def test_rbldnsd() -> None:
    """rbldnsd: listed, clean, and codes that refuse us."""
    with Rbldnsd() as server, matrix("rbldnsd") as seen:
        base = {"nameservers": f"{server.address}:{server.port}"}
        rows = [
            ("clean", "192.0.2.1", "bl.example", "ok"),
            ("listed", "192.0.2.13", "bl.example", "listed"),
            ("listed IPv6", "2001:db8::13", "bl.example", "listed"),
            ("127.255.255.254", "192.0.2.1", "refused.example", "local"),
            ("127.255.255.255", "192.0.2.1", "limited.example", "local"),
            ("REFUSED", "192.0.2.1", "closed.example", "local"),
        ]
        for what, address, name, outcome in rows:
            seen.expect(what, await probe("blocklist", {**base, "addresses": address, "lists": [name]}), outcome)
        server.suspend()
        result = await probe("blocklist", {**base, "addresses": "192.0.2.1", "lists": ["bl.example"]}, timeout=1)
        seen.expect("SIGSTOP", result, "local")
        server.resume()
