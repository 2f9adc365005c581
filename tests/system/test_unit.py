"""The unit of systemd: every key of it is known, and it is hardened."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.servers import need
from tests.system import UNIT


def test_the_unit_is_well_formed(tmp_path: Path) -> None:
    """systemd knows every key of it."""
    copy = tmp_path / "slaproof.service"
    copy.write_text(UNIT.read_text().replace("/opt/slaproof/bin/slaproof", "/bin/true"))
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--recursive-errors=yes", copy], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_hardened() -> None:
    """systemd's own rating of its exposure is 1.5 at the most."""
    done = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-200:]
    found = re.search(r"exposure level for slaproof.service: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 1.5
