"""The daemon put together: what is read beside the probing, and what a reload may wait for."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.clock import SystemClock
from monitor.config.load import load
from monitor.errors import Refused
from monitor.store import Event
from monitor.wiring import LOAD_PAUSE_S, Running, _load
from tests.fakes import FakeClock


async def test_running_periods_that_cannot_be_read_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A database that is locked for a moment must not leave the availability absent until the next start."""
    tried: list[int] = []

    def read() -> None:
        tried.append(1)
        if len(tried) < 3:
            raise OSError("locked")

    async def run(function) -> None:  # type: ignore[no-untyped-def]
        function()

    clock = FakeClock()
    context = SimpleNamespace(clock=clock, judge=SimpleNamespace(load=read), store=SimpleNamespace(run=run))
    task = asyncio.create_task(_load(context))  # type: ignore[arg-type]
    for count in (1, 2):
        await asyncio.sleep(0)
        assert len(tried) == count
        assert not task.done()
        await clock.advance(LOAD_PAUSE_S)
    await task
    assert len(tried) == 3
    assert "are tried again" in caplog.text


async def test_a_reload_that_waits_for_a_judgement_leaves_the_loop_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that reads a long month holds the judge; the loop that probes goes on meanwhile."""
    file = tmp_path / "m.yaml"
    file.write_text("listen: 127.0.0.1:0\ntargets: [{name: t, interval: 1h, tcp: {host: 127.0.0.1, port: 9}}]\n")
    running = Running(load(file), clock=SystemClock())
    started = asyncio.Event()
    whole = asyncio.create_task(running.until_the_end(lambda _: started.set()))
    await started.wait()
    judge, where = running.context.judge, []
    reconfigure = judge.reconfigure

    def told(config: object) -> None:
        where.append(threading.current_thread())
        reconfigure(config)  # type: ignore[arg-type]

    monkeypatch.setattr(judge, "reconfigure", told)
    file.write_text(file.read_text().replace("1h", "2h"))
    assert await running.reload() is None
    assert len(where) == 1
    assert where[0] is not threading.current_thread()
    assert running.config.targets[0].interval_ms == 7_200_000
    running.end("test")
    await whole


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("192.0.2.77:8080", "192.0.2.77:8080 cannot be listened on: Cannot assign requested address. Change “listen”"),
        ("ü" * 60 + ":8080", "ü:8080 cannot be listened on: no such name. Change “listen”"),
        ("127.0.0.1:{taken}", "cannot be listened on: Address already in use. Stop what listens there"),
    ],
)
async def test_an_address_that_cannot_be_listened_on(tmp_path: Path, listen: str, why: str) -> None:
    """One sentence says why and what to do, whether the address, its name or its port is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "m.yaml"
        file.write_text(f"listen: {listen.format(taken=taken.getsockname()[1])}\n")
        with pytest.raises(Refused, match=re.escape(why)):
            await Running(load(file), clock=SystemClock()).until_the_end(lambda _: None)


async def test_a_storm_of_reloads_is_one_or_two(tmp_path: Path) -> None:
    """Those that wait are one; one that comes before the start is done waits for it, and the end does for none."""
    file = tmp_path / "m.yaml"
    file.write_text("listen: 127.0.0.1:0\ntargets: [{name: t, interval: 1h, tcp: {host: 127.0.0.1, port: 9}}]\n")
    running = Running(load(file), clock=SystemClock())
    started = asyncio.Event()
    whole = asyncio.create_task(running.until_the_end(lambda _: started.set()))
    await asyncio.sleep(0)
    early = asyncio.create_task(running.reload())
    await started.wait()
    file.write_text(file.read_text().replace("1h", "2h"))
    assert await asyncio.gather(early, *(running.reload() for _ in range(50))) == [None] * 51
    assert running.config.targets[0].interval_ms == 7_200_000
    await running.context.store.writer.put_event(Event(kind="start", at=0, data={}))  # all before it is written
    assert 1 <= len(running.context.store.reader.events(kinds=["reload"])) <= 2
    running.end("test")
    await whole
