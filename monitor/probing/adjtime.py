"""What the kernel knows of its clock's error: adjtimex(2), read only."""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass

_TIME_ERROR = 5
_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    # struct timex of <sys/timex.h>: modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance,
    # time, tick, and what PPS adds; the tail is room that the kernel may fill.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("tail", ctypes.c_long * 24),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """How good the kernel holds its clock to be. Seconds."""

    offset_s: float
    """What is still to be corrected."""
    estimated_error_s: float
    max_error_s: float
    synchronised: bool
    """False where nobody disciplines the clock."""


def read() -> ClockState | None:
    """Ask the kernel; None where it cannot be asked (another system, a filter of system calls)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = _Timex()
        state = libc.adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    unit = 1e9 if timex.status & _STA_NANO else 1e6
    return ClockState(
        offset_s=timex.offset / unit,
        estimated_error_s=timex.esterror / 1e6,
        max_error_s=timex.maxerror / 1e6,
        synchronised=state != _TIME_ERROR and not timex.status & _STA_UNSYNC,
    )
