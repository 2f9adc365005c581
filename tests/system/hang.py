"""The daemon's program with one thing added: SIGUSR1 hangs the thread of its event loop for good, and no other.

(A handler that Python runs does so in the main thread, between two steps of the loop.)
"""

from __future__ import annotations

import runpy
import signal
import time


def _hang(*_: object) -> None:
    while True:
        time.sleep(3600)


signal.signal(signal.SIGUSR1, _hang)
runpy.run_module("monitor", run_name="__main__", alter_sys=True)
