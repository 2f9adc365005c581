"""One suite that every kind of probe passes: a server that misbehaves in every way, at every phase.

Each probe ends within its deadline and 100 ms, with the outcome that the misbehaviour is, and never in an exception. A
kind is found by its presence in ``probes/``: one without a script here fails the suite.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

import probes
from probes._outcome import Outcome, Result
from tests.probes.running import probe, shown
from tests.servers import free_port
from tests.servers.misbehaving import Misbehaving, behaviours

TIMEOUT_S = 0.6
ALONE_S = 1.5
"""The deadline of a probe that runs alone; shorter than what a late answer waits."""
GRACE_S = 0.1
AT_ONCE = 8

Settings = dict[str, Any]


def expected(behaviour: str) -> set[str]:
    """What a server that talks over TCP has done when it behaves like this."""
    if behaviour.startswith("cert_"):
        return {"tls"}
    return {
        "well": {"ok"},
        "refuse": {"refused"},
        "silent": {"timeout"},
        "mute": {"timeout"},
        "half_open": {"timeout"},
        "drip": {"timeout"},
        "late": {"timeout"},
        "close": {"reset"},
        "half_closed": {"reset"},
        "reset": {"reset"},
        "truncate": {"reset"},
        "garbage": {"protocol"},
        "garbage_close": {"protocol"},
        "endless": {"protocol"},
        "gzip_bomb": {"protocol"},
        "not_tls": {"tls"},
        "close_in_tls": {"reset"},
        "reset_in_tls": {"reset"},
    }[behaviour]


@dataclass(frozen=True, kw_only=True)
class Script:
    """How to make a kind talk to the misbehaving server, and where what it must find differs from `expected`.

    ``answers`` bounds the answers that are spoilt (None: all of the protocol's). ``differs`` names behaviours, or
    behaviours with the number of the answer, such as ``garbage/0``.
    """

    kind: str
    protocol: str
    settings: Callable[[Misbehaving, Path], Settings]
    tls: bool = False
    answers: int | None = None
    differs: dict[str, set[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}-{self.protocol}{'-tls' if self.tls else ''}"

    def wanted(self, behaviour: str, at: int) -> set[str]:
        """The outcomes that this misbehaviour may have."""
        return self.differs.get(f"{behaviour}/{at}") or self.differs.get(behaviour) or expected(behaviour)


def _web(server: Misbehaving, ca: Path) -> Settings:
    return {"url": server.url(), "ca": str(ca)}


def _api(server: Misbehaving, ca: Path) -> Settings:
    return _web(server, ca) | {"expect": {"status": [200], "json": {"$.state": "ok"}}}


def _page(server: Misbehaving, ca: Path) -> Settings:
    return _web(server, ca) | {"contains": "state"}


def _steps(server: Misbehaving, ca: Path) -> Settings:
    first = {"url": server.url(), "capture": {"state": {"json": "$.state"}}}
    return {"steps": [first, {"url": "/{{state}}"}], "ca": str(ca)}


def _host(server: Misbehaving) -> Settings:
    return {"host": "localhost", "port": server.port}


def _tcp(server: Misbehaving, ca: Path) -> Settings:
    return _host(server) | {"send": "EHLO a", "expect": "^220 "}


def _smtp(tls: str) -> Callable[[Misbehaving, Path], Settings]:
    def settings(server: Misbehaving, ca: Path) -> Settings:
        return _host(server) | {"tls": tls, "ca": str(ca), "from": "a@b.example", "to": "c@d.example"}

    return settings


def _delivery(server: Misbehaving, ca: Path) -> Settings:
    return {
        "smtp": _host(server) | {"tls": "none"},
        "receive": {"host": "127.0.0.1", "port": free_port()},
        "from": "a@b.example",
        "to": "c@d.example",
    }


def _smpp(server: Misbehaving, ca: Path) -> Settings:
    return _host(server) | {"system_id": "u", "password": "p"}


def _dns(server: Misbehaving, ca: Path) -> Settings:
    return {"name": "www.example", "server": f"127.0.0.1:{server.port}", "values": "192.0.2.1"}


def _mailauth(server: Misbehaving, ca: Path) -> Settings:
    return {"domain": "mail.example", "checks": ["spf"], "nameservers": server.address}


def _blocklist(server: Misbehaving, ca: Path) -> Settings:
    return {"addresses": "192.0.2.9", "lists": ["list.example"], "nameservers": server.address}


def _over_tls(settings: Callable[[Misbehaving, Path], Settings], tls: object = None) -> Callable[..., Settings]:
    def with_tls(server: Misbehaving, ca: Path) -> Settings:
        return settings(server, ca) | {"tls": tls or {"ca": str(ca)}}

    return with_tls


HTTP_ENDLESS = {"endless": {"wrong_answer", "timeout"}}
# What comes over UDP has no connection to lose: it comes whole or not at all.
UDP = {b: {"timeout"} for b in ("close", "reset", "half_closed")} | {"truncate": {"protocol"}, "drip": {"timeout"}}
# Kinds that ask our own resolvers: what those do is never the provider's.
OURS = {
    b: {"local", "dns"}
    for b in ("refuse", "silent", "mute", "half_open", "drip", "late", "close", "half_closed", "reset", "truncate")
} | {b: {"local", "dns"} for b in ("garbage", "garbage_close", "endless")}

# Any text may be a line, and the last may have no end.
LINES = {"endless": {"wrong_answer"}, "garbage": {"timeout"}, "garbage_close": {"reset"}, "truncate": {"ok", "reset"}}

# The farewell comes after the verdict: what is spoilt then changes nothing, so the last answer is left out.
SCRIPTS = (
    Script(kind="http", protocol="http", settings=_api, differs=HTTP_ENDLESS),
    Script(kind="http", protocol="http", settings=_api, tls=True, differs=HTTP_ENDLESS),
    Script(kind="page", protocol="http", settings=_page, differs=HTTP_ENDLESS),
    Script(kind="sms", protocol="http", settings=_web, differs=HTTP_ENDLESS),
    Script(kind="steps", protocol="http", settings=_steps, differs=HTTP_ENDLESS),
    Script(kind="tcp", protocol="smtp", settings=_tcp, answers=1, differs=LINES),
    Script(kind="tcp", protocol="smtp", settings=_over_tls(_tcp), tls=True, answers=1, differs=LINES),
    Script(kind="tls", protocol="http", settings=lambda s, ca: _host(s) | {"ca": str(ca)}, tls=True, answers=0),
    Script(kind="smtp", protocol="smtp", settings=_smtp("none"), answers=5),
    Script(kind="smtp", protocol="smtp", settings=_smtp("implicit"), tls=True, answers=5),
    Script(kind="smtp", protocol="smtp_starttls", settings=_smtp("starttls"), answers=7),
    Script(kind="delivery", protocol="smtp", settings=_delivery, answers=5, differs={"well": {"undelivered"}}),
    Script(kind="smpp", protocol="smpp", settings=_smpp, answers=2),
    Script(kind="smpp", protocol="smpp", settings=_over_tls(_smpp), tls=True, answers=2),
    Script(kind="grpc", protocol="grpc", settings=lambda server, ca: _host(server)),
    Script(kind="dns", protocol="dns", settings=_dns, differs=UDP),
    Script(kind="dns", protocol="dns", settings=lambda s, ca: _dns(s, ca) | {"transport": "tcp"}),
    Script(kind="mailauth", protocol="dns", settings=_mailauth, differs=OURS | {"well": {"wrong_answer"}}),
    Script(kind="blocklist", protocol="dns", settings=_blocklist, differs=OURS | {"well": {"local"}}),
)
EXEMPT = {"icmp": "no connection to a server: tests/probes/test_icmp.py does the same in a network namespace"}


async def _watch(stalls: list[float]) -> None:
    """Notes each time, in seconds, by which a short sleep came back far too late."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(0.005)
        if (late := loop.time() - before - 0.005) > 0.02:
            stalls.append(late)


async def _one(script: Script, behaviour: str, at: int, ca: Path, timeout_s: float) -> tuple[Result, float]:
    """One probe of a server that misbehaves so, and how long its caller waited, in seconds."""
    server = Misbehaving(script.protocol, behaviour, at=at, tls=script.tls, pause=1.0, delay=2.0)
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(server.start)
    try:
        stalls: list[float] = []
        watch = asyncio.create_task(_watch(stalls))
        began = loop.time()
        result = await probe(script.kind, script.settings(server, ca), timeout=timeout_s)
        waited = loop.time() - began
        watch.cancel()
        # The time in which this process did not run at all is the machine's, not the probe's.
        return result, waited - sum(stalls)
    finally:
        await asyncio.to_thread(server.stop)


async def _judged(script: Script, behaviour: str, at: int, ca: Path, timeout_s: float = TIMEOUT_S) -> str:
    """What is wrong, in words; nothing where all is well."""
    result, waited = await _one(script, behaviour, at, ca, timeout_s)
    wrong = []
    if waited > timeout_s + GRACE_S:
        wrong.append(f"ended after {waited:.2f} s")
    if result.outcome not in script.wanted(behaviour, at):
        wrong.append(f"{result.outcome}, not {' or '.join(sorted(script.wanted(behaviour, at)))}")
    if result.outcome is not Outcome.OK and not (result.detail and result.advice):
        wrong.append("says nothing about what happened and what to do")
    return f"{behaviour} at {at}: {'; '.join(wrong)}\n{shown(result)}" if wrong else ""


async def _all_judged(script: Script, cases: list[tuple[str, int]], ca: Path) -> list[str]:
    """What is wrong with all cases. Many at once on a busy machine may be late: those are judged again, one by one."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(behaviour: str, at: int) -> str:
        async with turn:
            return await _judged(script, behaviour, at, ca)

    told = await asyncio.gather(*(in_turn(behaviour, at) for behaviour, at in cases))
    again = [case for case, text in zip(cases, told, strict=True) if text]
    return [text for behaviour, at in again if (text := await _judged(script, behaviour, at, ca, ALONE_S))]


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
"""The daemon's loop, and that of a command."""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_every_misbehaviour(script: Script, loop: str, ca_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each misbehaviour at each phase: in time, with its outcome, with words, and without an exception."""
    cases = [
        (behaviour, at)
        for behaviour, at in behaviours(script.protocol, tls=script.tls)
        if script.answers is None or at < max(1, script.answers)
        if script.answers != 0
        or behaviour in ("well", "refuse", "silent", *_HANDSHAKE)
        or behaviour.startswith("cert_")
    ]
    with caplog.at_level(logging.WARNING), asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        wrong = runner.run(_all_judged(script, cases, ca_file))
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n\n" + "\n\n".join(wrong)
    assert not [record for record in caplog.records if record.name.startswith("probes")], caplog.text


_HANDSHAKE = ("not_tls", "close_in_tls", "reset_in_tls")


def test_every_kind_has_a_script() -> None:
    """A new kind cannot be forgotten here."""
    assert {script.kind for script in SCRIPTS} | EXEMPT.keys() == set(probes.kinds())
