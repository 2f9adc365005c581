"""A probe leaves no descriptor behind: not at its deadline, not where the server hangs up, not when it is cancelled.

A daemon makes millions of them; what one in a thousand leaves open ends, weeks later, as failures of our own.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import probes
from probes import _run
from probes._fields import ProbeTarget
from tests.probes.running import probe
from tests.probes.test_conformance import LOOPS, SCRIPTS, Script
from tests.servers import descriptors
from tests.servers.misbehaving import Misbehaving, behaviours

TIMES = 3
"""How many probes at once meet each misbehaviour."""
TIMEOUT_S = 0.05
ALIKE = {"late", "half_open", "garbage_close", "truncate"}
"""To a socket they are what others are: silence, and a close."""
TURNS = 40
"""After so many turns of the loop a probe is cancelled at the latest; a whole one takes about thirty."""


async def _settled() -> None:
    """Let all that was cut off end: a mailbox in its thread, everything else in a few turns of the loop."""
    for thread in threading.enumerate():
        if thread.name.startswith("slaproof-imap"):
            await asyncio.to_thread(thread.join)
    for _ in range(20):
        await asyncio.sleep(0)


async def _met(script: Script, behaviour: str, at: int, ca: Path) -> None:
    with Misbehaving(script.protocol, behaviour, at=at, tls=script.tls, pause=0.02, delay=0.02) as server:
        settings = script.settings(server, ca)
        await asyncio.gather(
            *(probe(script.kind, settings, timeout=TIMEOUT_S, probe_id=f"probe-{n}") for n in range(TIMES))
        )


async def _cancelled(script: Script, ca: Path) -> None:
    with Misbehaving(script.protocol, "well", tls=script.tls) as server:
        settings = script.settings(server, ca)
        for turns in range(TURNS):
            task = asyncio.ensure_future(probe(script.kind, settings))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))


async def _left_open(script: Script, ca: Path) -> dict[str, int]:
    """What is open after each misbehaviour that was not before."""
    await _met(script, "well", 0, ca)
    await _settled()
    before = set(descriptors().values())
    left = {}
    for behaviour, at in behaviours(script.protocol, tls=script.tls):
        if behaviour in ALIKE:
            continue
        await _met(script, behaviour, at, ca)
        await _settled()
        if more := set(descriptors().values()) - before:
            left[f"{behaviour} at {at}"] = len(more)
            before |= more
    await _cancelled(script, ca)
    await _settled()
    if more := set(descriptors().values()) - before:
        left["cancelled"] = len(more)
    return left


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_nothing_is_left_open(script: Script, loop: str, ca_file: Path) -> None:
    """After probes of a server that misbehaves in every way, and after some cancelled at any point, all is closed."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(_left_open(script, ca_file)) == {}


async def test_a_probe_that_missed_its_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that a library loses is repeated, after the deadline as after the caller's own."""
    ends: list[str] = []

    async def forgetful(target: ProbeTarget, trace: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("lost")
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("heard")

    monkeypatch.setattr(probes, "load", lambda kind: SimpleNamespace(Target=ProbeTarget, probe=forgetful))
    monkeypatch.setattr(_run, "GRACE_S", 0)
    monkeypatch.setattr(_run, "AGAIN_S", 0)
    assert (await probe("any", {}, timeout=0)).outcome == "timeout"
    alone = asyncio.ensure_future(probe("any", {}))
    for _ in range(5):
        await asyncio.sleep(0)
    alone.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert alone.cancelled()
    assert ends == ["lost", "heard", "lost", "heard"]
    assert not _run._left_behind
