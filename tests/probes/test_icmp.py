"""Echo: over the kernel's ping socket, in a network namespace of its own where it is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.servers import ROOT, need, need_root

_SCRIPT = """
import asyncio, json, sys, uvloop
from tests.probes.running import ask
async def main():
    result = await ask("icmp", 1.0, **json.loads(sys.argv[1]))
    phases = [phase.name for phase in result.phases]
    print(json.dumps([result.outcome, result.detail, result.advice, phases]))
(uvloop.run if sys.argv[2] == "uvloop" else asyncio.run)(main())
"""


def ping(setup: str, loop: str = "asyncio", **settings: Any) -> list[Any]:
    """One echo from a namespace prepared by these commands."""
    need_root()
    need("ip")
    inner = [sys.executable, "-c", _SCRIPT, json.dumps(settings), loop]
    command = [need("unshare"), "-n", "sh", "-ec", f'ip link set lo up; {setup}; exec "$@"', "sh", *inner]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[Any] = json.loads(done.stdout)
    return answer


ALLOW = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_echo(host: str, loop: str) -> None:
    """A host that echoes is good, over both families."""
    outcome, detail, _, phases = ping(ALLOW, loop, host=host)
    assert (outcome, phases) == ("ok", ["echo"]), detail


def test_a_kernel_that_forbids_it() -> None:
    """Not being allowed is ours, and the advice says what to set."""
    outcome, _, advice, _ = ping("echo '1 0' > /proc/sys/net/ipv4/ping_group_range", host="127.0.0.1")
    assert outcome == "local"
    assert "ping_group_range" in advice


def test_no_echo() -> None:
    """Silence is no contact by the deadline; no route is the network's."""
    quiet = f"{ALLOW}; echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all"
    assert ping(quiet, host="127.0.0.1")[0] == "connect_timeout"
    assert ping(ALLOW, host="192.0.2.2")[0] == "network"
