"""Runs one probe: the absolute deadline, and the only place that catches everything.

Rules:
1. One deadline, held outside every library: a server that drips a byte a second cannot outlive it.
2. Whatever goes wrong in here ends as a result. Only cancellation by the caller passes through.
3. A fault of this process (a bug, no descriptors, a stalled loop) is the monitor's, never the provider's.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import probes
from probes import _classify
from probes._connect import OUR_LIMITS
from probes._fields import ProbeTarget
from probes._outcome import Failed, Fault, Outcome, Result
from probes._redact import Redactor
from probes._trace import Trace

log = logging.getLogger(__name__)

GRACE_S = 0.05
"""How long a probe that was told to stop may take to let go; after that it is left behind and its end is logged."""
AGAIN_S = 1.0
"""How long one that was left behind may go on before it is told to stop again."""
STALL_S = 0.25
"""A probe that ended this much after its deadline, or lost this much to a stalled loop, proves nothing."""
DETAIL_CHARACTERS = 1_000
"""The longest sentence about what happened; what a server said at length stands in the transcript."""

_left_behind: set[asyncio.Task[None]] = set()


async def run(
    kind: str,
    target: ProbeTarget,
    *,
    timeout_s: float,
    probe_id: str,
    now_ms: int,
    redactor: Redactor | None = None,
    nameservers: tuple[str, ...] = (),
    clock_suspect: bool = False,
    stalled_s: Callable[[], float] = lambda: 0.0,
    transcripts: bool = True,
) -> Result:
    """Probes ``target`` once and says what was found; never raises but CancelledError.

    ``timeout_s`` is the time from now to the deadline, ``stalled_s`` the seconds that this process has lost so far
    to stalls of its loop (any monotone counter). With ``transcripts`` false a good probe's transcript and evidence
    are not made: only those of a failure are kept anyway.
    """
    loop = asyncio.get_running_loop()
    trace = Trace(
        timeout_s=timeout_s,
        probe_id=probe_id,
        now_ms=now_ms,
        redactor=redactor,
        nameservers=nameservers,
        clock_suspect=clock_suspect,
        thorough=transcripts,
    )
    stalled_before = stalled_s()
    failure: Failed | None = None
    task = loop.create_task(_whole(probes.load(kind).probe(target, trace)))
    try:
        await _ended_or(task, max(0.0, trace.deadline - loop.time()))
        finished = task.done()
        if not finished:
            await _let_go(task)
    except asyncio.CancelledError:
        task.cancel()
        _leave_behind(task)
        raise
    if finished:
        failure = _failure(trace, task)
    else:
        seconds = f"{timeout_s:g} s"
        phase = trace.last_phase
        failure = _classify.failed("net", phase, "deadline", f"no answer within {seconds}, in phase {phase}")
    elapsed_ms = trace.elapsed_ms()
    lost_s = max(stalled_s() - stalled_before, elapsed_ms / 1000 - timeout_s)
    if failure is not None and failure.outcome.fault is not Fault.MONITOR and lost_s > STALL_S:
        seen = f"our own process stood still for {lost_s:.1f} s; seen at the end: {failure.detail}"
        failure = _classify.failed("net", "any", "stalled", seen)
    kept = transcripts or failure is not None
    return Result(
        outcome=failure.outcome if failure else Outcome.OK,
        # Redacted before it is cut: a secret cut in half would no longer be recognised.
        detail=trace.redact(failure.detail)[:DETAIL_CHARACTERS] if failure else "",
        advice=failure.advice if failure else "",
        duration_ms=round(elapsed_ms),
        phases=trace.phases(),
        peer=trace.peer,
        code=failure.code if failure and failure.code is not None else trace.code,
        tls=trace.tls,
        facts=trace.facts,
        ids=trace.ids,
        transcript=trace.transcript() if kept else (),
        evidence=trace.witnessed() if kept else {},
        probe_id=probe_id,
    )


async def _whole(probing: Any) -> None:
    """The probe as a coroutine of our own, so that any awaitable will do."""
    await probing


async def _ended_or(task: asyncio.Task[None], seconds: float) -> None:
    """Waits for the end of the task or of the time. What `asyncio.wait` does, for one task at half the cost."""
    loop = task.get_loop()
    over = loop.create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    task.add_done_callback(end)
    timer = loop.call_later(seconds, end)
    try:
        await over
    finally:
        timer.cancel()


async def _let_go(task: asyncio.Task[None]) -> None:
    """Cancels a probe at its deadline and waits a moment; one that clings is watched until it ends."""
    task.cancel()
    await _ended_or(task, GRACE_S)
    if not task.done():
        _leave_behind(task)
    elif not task.cancelled():
        task.exception()


def _leave_behind(task: asyncio.Task[None]) -> None:
    """Watches a probe that was told to stop, and tells it again until it ends.

    A cancellation can be lost: `asyncio.wait_for` of Python 3.11, which libraries use, forgets one that comes as its
    result does. Nobody else would ever end that probe and its connection.
    """
    _left_behind.add(task)
    task.add_done_callback(_ended_late)
    asyncio.get_running_loop().call_later(AGAIN_S, _stop_again, task)


def _stop_again(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
        task.get_loop().call_later(AGAIN_S, _stop_again, task)


def _ended_late(task: asyncio.Task[None]) -> None:
    _left_behind.discard(task)
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, Failed):
        log.warning("a probe failed after its deadline: %r", error)


def _failure(trace: Trace, task: asyncio.Task[None]) -> Failed | None:
    """What the finished task says: nothing, its own failure, or a fault of ours."""
    if task.cancelled():
        return _classify.failed("net", "any", "internal", "the probe was cancelled from within")
    error = task.exception()
    if error is None or isinstance(error, Failed):
        return error
    if isinstance(error, OSError) and error.errno in OUR_LIMITS:
        return _classify.failed("net", "any", "no_descriptors", f"our own machine failed: {error.strerror}")
    log.error("a probe raised %s in phase %s", type(error).__name__, trace.last_phase, exc_info=error)
    name = type(error).__name__
    return _classify.failed("net", "any", "internal", f"internal error in phase {trace.last_phase}: {name}")
