"""Word to systemd, as sd_notify(3) describes it: ready, reloading, stopping, a line of status, and that we live.

Each word is one datagram to the socket named by ``NOTIFY_SOCKET``. Without that variable (started by hand, in a test,
in a container) every method does nothing. A word that cannot be sent is lost and nothing else happens: the supervisor
judges us by its watchdog, and an error here must not be the end of a daemon that works.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Supervisor:
    """The service manager that started us, or nobody.

    ``environment`` is where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are read, once.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        # "@name" is a name in Linux's abstract namespace, whose first byte is zero; anything else must be a path.
        self._address = "\0" + name[1:] if name.startswith("@") else name if name.startswith("/") else ""
        self._watchdog = _watchdog_seconds(environment)

    @property
    def present(self) -> bool:
        """Whether somebody listens."""
        return bool(self._address)

    @property
    def watchdog_seconds(self) -> float | None:
        """How long we may be silent before we are taken for dead; None where nobody watches.

        `alive` is to be called at least twice in this time, by the loop whose stall matters and by nothing else.
        """
        return self._watchdog

    def ready(self, status: str) -> None:
        """Start or reload is complete."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. The time tells the manager which reload is meant."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The loop turns."""
        self._send("WATCHDOG=1")

    def _send(self, *words: str) -> None:
        if not self._address:
            return
        # A line break would begin a word of its own.
        message = "\n".join(word.replace("\n", " ") for word in words)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as outlet:
                # Never wait for a manager that does not read: the loop that probes is calling.
                outlet.setblocking(False)
                outlet.sendto(message.encode(), self._address)
        except OSError:
            pass


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
        # The variables are inherited: they may be meant for a parent of ours (sd_watchdog_enabled(3)).
        meant = int(environment.get("WATCHDOG_PID") or os.getpid())
    except ValueError:
        return None
    return microseconds / 1_000_000 if microseconds > 0 and meant == os.getpid() else None
