"""The service under a real system manager, booted in a machine of its own by systemd-nspawn."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT, descendants, need, need_root
from tests.system import UNIT

_CONFIG = """
location: nspawn
storage: slaproof.db
listen: 127.0.0.1:9780
targets:
  - {name: one, interval: 1s, timeout: 800ms,
     http: {url: "http://127.0.0.1:8080/first", headers: {Authorization: {credential: api-key}},
            expect: {status: [200]}}}
"""
_TARGET = """
[Unit]
Requires=basic.target slaproof-test.service
After=basic.target
AllowIsolate=yes
"""
_TEST = """
[Unit]
After=basic.target
[Service]
Type=exec
ExecStart={python} /opt/slaproof/tests/system/inside.py /out/result.json
Environment=PYTHONDONTWRITEBYTECODE=1 {libraries}
"""
_DROP_IN = """
[Service]
LoadCredential=api-key:/etc/slaproof/api-key
ExecStart=
ExecStart={python} /opt/slaproof/tests/system/hang.py run --config /etc/slaproof/monitor.yaml
Environment=PYTHONPATH=/opt/slaproof:/opt/site {libraries}
WatchdogSec=3
"""


def _boot(folder: Path) -> dict[str, Any]:
    """Boot a machine with the unit in it, let `inside.py` run there, and give what it saw."""
    out, etc = folder / "out", folder / "etc"
    out.mkdir()
    (etc / "slaproof.service.d").mkdir(parents=True)
    base = Path(sys.base_prefix)
    python, libraries = Path(sys.executable).resolve(), ""
    binds = [
        f"--bind-ro={ROOT}:/opt/slaproof",
        f"--bind-ro={sysconfig.get_path('purelib')}:/opt/site",
        f"--bind={out}:/out",
    ]
    if not python.is_relative_to("/usr") or python.is_relative_to("/usr/local"):
        # A Python of one's own may stand under a home, which the service does not see.
        binds.append(f"--bind-ro={base}:/opt/python")
        python, libraries = Path("/opt/python") / python.relative_to(base), "LD_LIBRARY_PATH=/opt/python/lib"
    files = {
        "slaproof.service": UNIT.read_text(),
        "slaproof.service.d/test.conf": _DROP_IN.format(python=python, libraries=libraries),
        "slaproof-test.service": _TEST.format(python=python, libraries=libraries),
        "slaproof-test.target": _TARGET,
    }
    for name, text in files.items():
        (etc / name).write_text(text)
        binds.append(f"--bind-ro={etc / name}:/etc/systemd/system/{name}")
    secret = "Bearer credential-of-the-test"
    for name, text in (
        ("slaproof-test.yaml", _CONFIG),
        ("slaproof/api-key", secret),
        ("credstore/slaproof.key", "of no use here"),
    ):
        path = etc / name.replace("/", "-")
        path.write_text(text)
        path.chmod(0o600)
        binds.append(f"--bind-ro={path}:/etc/{name}")
    # There is no network to wait for.
    binds.append("--bind-ro=/dev/null:/etc/systemd/system/systemd-networkd-wait-online.service")
    command = [
        need("systemd-nspawn"),
        *("-D", "/", "--volatile=yes", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "-q"),
        *("--machine=slaproof-test", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        *binds,
        *("-b", "systemd.unit=slaproof-test.target", "systemd.firstboot=off", "systemd.show_status=yes"),
    ]
    log = folder / "console.log"
    with log.open("wb") as console:
        machine = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        )
        try:
            machine.wait(400)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # The machine's first process would outlive the one that started it.
            for pid in reversed(descendants(machine.pid)) if machine.poll() is None else ():
                os.kill(pid, signal.SIGKILL)
            machine.wait()
    result = out / "result.json"
    assert result.exists(), log.read_text(errors="replace")[-6000:]
    seen: dict[str, Any] = json.loads(result.read_text())
    return seen


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_service_lives_under_systemd(tmp_path: Path) -> None:
    """It starts as its own user with its credential, probes, reloads, refuses a bad file, and a hung loop is ended."""
    need_root()
    need("systemd-nspawn")
    seen = _boot(tmp_path)
    story = {name: value for name, value in seen.items() if name != "metrics"}
    assert "error" not in seen, seen["error"] + seen["journal"]
    assert seen["active"], seen["journal"][:3000]
    assert seen["status"], story
    assert seen["probed"], story
    assert seen["credentials"] == ["api-key", "slaproof.key"], story
    assert seen["authorization"] == ["Bearer credential-of-the-test"], story
    assert re.search(r"^probe_success\{.*\} 1", seen["metrics"], re.MULTILINE), seen["metrics"]
    assert seen["reload"] == 0, story
    assert seen["probed_after_reload"], story
    assert seen["reload_refused"], story
    assert seen["probed_after_refusal"], story
    assert seen["restarted"], story
    # Only the watchdog of the unit ends a loop that hangs; the journal is what the system manager says of it.
    assert "Watchdog timeout" in seen["journal"], seen["journal"][-3000:]
    assert seen["active_again"], story
    assert seen["probed_again"], story
    assert "slaproof.db" in seen["state"], story
    assert seen["state_mode"] == "0o700", story
    assert int(seen["uid"]) >= 61184, story  # the range of dynamic users
    assert (seen["stop"], seen["result"]) == (0, "success"), story
