"""File descriptors: as many as we may have, and a reserve that no probe is given."""

from __future__ import annotations

import errno
import os
import resource

RESERVE = 32
"""Descriptors kept for the database, the pages and the log."""
_ENOUGH = 1 << 20


def raise_limit() -> int:
    """Raise this process's limit to what the system allows; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard if hard != resource.RLIM_INFINITY else _ENOUGH, _ENOUGH)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return _limit()


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else _ENOUGH


def exhausted() -> bool:
    """Whether only the reserve is left. Two system calls: the kernel gives the lowest number that is free."""
    limit = _limit()
    try:
        free = os.dup(2)
    except OSError as error:
        return error.errno != errno.EBADF  # standard error may be closed, which says nothing
    os.close(free)
    return free >= limit - min(RESERVE, limit // 4)
