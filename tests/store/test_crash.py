"""A short crash campaign; `make crash` runs the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_nothing_acknowledged_is_lost_when_the_daemon_is_killed():
    """Killed with -9 at random instants under 100 probes a second: nothing acknowledged is lost, holes are gaps."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.store.crash", "--rounds", "6", "--longest", "1.2", "--seed", "7"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of them lost or changed          0" in done.stdout
    assert "integrity_check           ok" in done.stdout
