"""Searching with an expression of the configuration, for a bounded time.

An expression with a repeat within a repeat can take years on a text that almost fits, and meanwhile nothing else runs
in this process: one answer of one provider would end the watching of all. The search is broken off by a timer that
counts this process's own work, which Python's engine heeds.
"""

import re
import signal
import threading
from functools import lru_cache
from types import FrameType

from probes._classify import failed

LIMIT_S = 0.1
"""How much work one search may be. A good expression needs a thousandth of it for a page."""

_REPEATS = re.compile(r"[*+{]")
_armed = False


class _TooLong(BaseException):
    """The timer went off."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    if _armed:
        raise _TooLong


@lru_cache(maxsize=1)
def _handle() -> None:
    """Sets up the timer's signal, once; only the main thread may, and only it is told."""
    signal.signal(signal.SIGVTALRM, _stop)


def search(pattern: str, text: str) -> re.Match[str] | None:
    """The first match, or None. Raises Failed, of our own fault, where it takes too long to know."""
    global _armed
    if not _REPEATS.search(pattern) or threading.current_thread() is not threading.main_thread():
        return re.search(pattern, text)
    _handle()
    try:
        try:
            _armed = True
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
            return re.search(pattern, text)
        finally:
            _armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooLong:
        raise failed("net", "assert", "search_too_long", f"{pattern!r} takes too long to search for") from None
